"""Every page does what it says: its files are written, its commands and its Python run, what they print is compared."""

import contextlib
import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.command.parsing import COMMANDS
from symsim.paths import GRAPHS, ROOT
from tests.commands import check_shown, console_commands, same_text
from tests.docs.pages import Fence, fences, pages

PAGES = pages()
CHECKOUT = "symsim"
SLOW = {"author.md"}
"""Pages whose commands take ten seconds together."""
NOT_SHOWN = {"check-model", "completion"}
"""What they print depends on what is installed: torch and transformers, shtab."""
pytestmark = pytest.mark.skipif(not PAGES, reason="needs the source checkout, which holds the pages")


def check_python(text: str, names: dict[str, object], page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(text, names, page.name, str(page), 0)
    assert test.examples, f"a block of Python in {page} without `>>>`: nothing would be compared"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append, clear_globs=False)
    names |= test.globs
    assert not runner.failures, "".join(said)


def put(title: str, text: str, folder: Path) -> None:
    """A file of the reader's folder, or the checkout: all of it, its end, or the first lines of a list in it."""
    name, _, where = title.replace(" in a checkout", ", in a checkout").partition(", ")
    path = folder / (CHECKOUT if where else "") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if where == "at the end":
        path.write_text(path.read_text() + text)
    elif where.startswith("into "):
        before, start, after = re.split(
            rf"^(.*\b{where[5:]}\b.*\[\n)", path.read_text(), maxsplit=1, flags=re.MULTILINE
        )
        path.write_text(before + start + text + after)
    else:
        path.write_text(text)


def check_process(command: str, shown: str, folder: Path) -> None:
    """A command in the copied checkout, as a process, since its data are read there."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    words = [sys.executable, "-m", "symsim.cli", *words[1:]] if words[0] == "symsim" else words
    env = {**os.environ, "PYTHONPATH": str(folder / CHECKOUT), "PYTEST_ADDOPTS": "-p no:cacheprovider -n 0"}
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder / CHECKOUT, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert same_text(shown, done.stdout), f"for `{command}` the page shows\n{shown}\nbut it prints\n{done.stdout}"


def check_fence(fence: Fence, names: dict[str, object], page: Path, folder: Path) -> None:
    if fence.language == "console":
        commands = console_commands(fence.text)
        assert commands, f"a console block of {page} without `$`"
        for command, shown in commands:
            (check_process if fence.title == "in a checkout" else check_shown)(command, shown, folder)
    elif fence.title:
        put(fence.title, fence.text, folder)
    elif fence.language == "python":
        check_python(fence.text, names, page)


def copy_checkout(to: Path) -> None:
    """What a newcomer changes is a copy of the checkout: code, data and tests."""
    left_out = shutil.ignore_patterns("__pycache__", ".*", "docs", "site", "dist", "build", "*.egg-info")
    shutil.copytree(ROOT, to, ignore=left_out)


def _case(page: Path) -> Any:
    marks = [pytest.mark.slow] * (page.name in SLOW)
    return pytest.param(page, id=str(page.relative_to(ROOT)), marks=marks)


@pytest.mark.parametrize("page", [*map(_case, PAGES)])
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    if any("checkout" in fence.title or ", " in fence.title for fence in fences(page)):
        copy_checkout(tmp_path / CHECKOUT)
    names: dict[str, object] = {}
    with contextlib.chdir(tmp_path):
        for fence in fences(page):
            check_fence(fence, names, page, tmp_path)


@pytest.mark.parametrize("name", ["family", "device", "table", "metric"])
def test_a_newcomer_is_told_what_to_change_and_which_test_to_run(name: str) -> None:
    """These pages change a copy of the checkout and run tests there, which the test above follows."""
    found = fences(ROOT / "docs" / "how-to" / f"{name}.md")
    assert any(", into " in fence.title or ", at the end" in fence.title for fence in found)
    assert any("-m pytest tests/" in fence.text for fence in found if fence.title == "in a checkout")


def test_every_command_is_shown_on_a_page() -> None:
    consoles = [fence.text for page in PAGES for fence in fences(page) if fence.language == "console"]
    words = [shlex.split(command) for text in consoles for command, _ in console_commands(text)]
    assert {*COMMANDS} - NOT_SHOWN <= {name for program, name, *_ in words if program == "symsim"}


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="needs the source checkout, which holds the README")
def test_the_formula_shown_is_the_one_printed() -> None:
    printed = symsim.compile("qwen3-8b", "h20", symsim.Deployment(gemm="fp8"), cost_model="infersim").tpot.to_markdown()
    shown = re.search(r"\$\$.*?\$\$", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown.group() in printed


@pytest.mark.parametrize("path", sorted(GRAPHS.rglob("*.graph")), ids=lambda path: str(path.relative_to(GRAPHS)))
def test_a_graph_file_is_a_screenful(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80
