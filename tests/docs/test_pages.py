"""Every page does what it says: its files are written, its commands and its Python run, what they print is compared."""

import contextlib
import doctest
import re
from pathlib import Path

import pytest

import symsim
from symsim.paths import GRAPHS, ROOT
from tests.commands import check_shown, console_commands
from tests.docs.pages import Fence, fences, pages

PAGES = pages()
pytestmark = pytest.mark.skipif(not PAGES, reason="needs the source checkout, which holds the pages")


def check_python(text: str, names: dict[str, object], page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), 0)
    assert test.examples, f"a block of Python in {page} without `>>>`: nothing would be compared"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append, clear_globs=False)
    names |= test.globs
    assert not runner.failures, "".join(said)


def check_fence(fence: Fence, names: dict[str, object], page: Path, folder: Path) -> None:
    match fence:
        case Fence(title=str(title)) if title:
            (folder / title).parent.mkdir(parents=True, exist_ok=True)
            (folder / title).write_text(fence.text)
        case Fence(language="console"):
            commands = console_commands(fence.text)
            assert commands, f"a console block of {page} without `$`"
            for command, shown in commands:
                check_shown(command, shown, folder)
        case Fence(language="python"):
            check_python(fence.text, names, page)


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    names: dict[str, object] = {}
    with contextlib.chdir(tmp_path):
        for fence in fences(page):
            check_fence(fence, names, page, tmp_path)


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="needs the source checkout, which holds the README")
def test_the_formula_shown_is_the_one_printed() -> None:
    printed = symsim.compile("qwen3-8b", "h20", symsim.Deployment(gemm="fp8")).tpot.to_markdown()
    shown = re.search(r"\$\$.*?\$\$", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown.group() in printed


@pytest.mark.parametrize("path", sorted(GRAPHS.rglob("*.graph")), ids=lambda path: str(path.relative_to(GRAPHS)))
def test_a_graph_file_is_a_screenful(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80
