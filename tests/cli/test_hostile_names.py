"""Names and paths from a user's files are text in every output: nothing in them runs, sets LaTeX or moves a cursor."""

import json
import re
import shutil
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import pytest

import symsim
from symsim.errors import DataError
from symsim.inputs.device import load_device
from symsim.paths import CONFIGS, HARDWARE
from symsim.render.curves import save_regimes
from symsim.render.fronts import save_front
from symsim.search.pareto import FrontPoint
from tests.cli.test_cli import run

RUN = "__import__('pathlib').Path('pwned').touch()"
NAMES = [
    f'X""" + str({RUN}) + """',
    f"X'''; {RUN} #",
    'X */ require("fs").writeFileSync("pwned", "x"); /* ',
    'X */ __attribute__((constructor)) static void p(void) { fclose(fopen("pwned", "w")); } /* ',
    "X **//*/ #error out",
    "ends with a backslash \\",
    "\\",
    "\\input{/etc/passwd}\\write18{touch pwned}^^5cinput{x}",
    "100 % {of} #1 $5_000$ & ~ ^ _ < > | \" ' `",
    "\\end{document}",
    "[bold]A[/] [link](javascript:alert(1)) ![x](y) *a* __b__ `c` | d | $x$",
    "</script><script>alert(1)</script><!-- &amp; -->",
    "Ünïcödé 中文 Ω 🚀",
    "=1+1;+A1@SUM",
]
DOCUMENT = "\\documentclass{article}\n\\usepackage{amsmath}\n\\usepackage[margin=2.5cm]{geometry}\n"


def device_named(name: str, folder: Path) -> Path:
    text = (HARDWARE / "h20.toml").read_text()
    path = folder / "device.toml"
    path.write_text(re.sub(r"(?m)^name = .*$", lambda _: f"name = {json.dumps(name, ensure_ascii=False)}", text))
    return path


def model_in(folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(CONFIGS / "qwen3-8b.json", folder / "config.json"))


@pytest.fixture(params=NAMES, ids=range(len(NAMES)))
def costs(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> symsim.Costs:
    """A model in a folder and a device of that name."""
    monkeypatch.chdir(tmp_path)
    name: str = request.param
    config = model_in(tmp_path / name.replace("/", ""))
    return symsim.compile(config, device_named(name, tmp_path), cost_model="infersim")


def test_exports_compute_and_do_nothing_else(costs: symsim.Costs, tmp_path: Path) -> None:
    point = {"B": 64, "S": 4096, "O": 2048}
    right = pytest.approx(costs.tpot.evaluate(**point), rel=1e-12)
    found: dict[str, object] = {}
    exec(costs.tpot.to_python(), found)
    assert found["tpot"](**point) == right  # type: ignore[operator]
    assert not (tmp_path / "pwned").exists()
    if shutil.which("node") is not None:
        script = f"{costs.tpot.to_javascript()}console.log(tpot({json.dumps(point)}))"
        done = subprocess.run(["node"], input=script, capture_output=True, text=True, check=True)
        assert float(done.stdout) == right
        assert "</script" not in script
    if shutil.which("gcc") is not None:
        main = '#include <stdio.h>\nint main(void) { printf("%.17g", tpot(64, 4096, 2048)); return 0; }\n'
        (tmp_path / "main.c").write_text(costs.tpot.to_c() + main)
        strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
        subprocess.run(["gcc", *strict, "main.c", "-lm", "-o", "main"], cwd=tmp_path, check=True)
        assert float(subprocess.run(["./main"], cwd=tmp_path, capture_output=True, text=True).stdout) == right
    assert not (tmp_path / "pwned").exists()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which CI installs")
def test_latex_compiles_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = model_in(tmp_path / "\\input{x} $_^{ % #~&")
    named = [symsim.compile(config, device_named(name, tmp_path), cost_model="infersim") for name in NAMES]
    body = "\n\\newpage\n".join(costs.memory.to_latex("model") for costs in named)
    (tmp_path / "formulas.tex").write_text(f"{DOCUMENT}\\begin{{document}}\n{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-shell-escape", "-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([*command, "formulas.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert f"({len(NAMES)} pages" in done.stdout
    assert not (tmp_path / "pwned").exists()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which CI installs")
def test_a_paper_shows_the_name_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = " ".join(NAMES)
    config = model_in(tmp_path / "\\input{x} $_^{ % #~&")
    keys = {**json.loads(config.read_text()), "_source": "\\write18{touch pwned}\n\\end{document}"}
    config.write_text(json.dumps(keys))
    symsim.paper(symsim.compile(config, device_named(name, tmp_path), cost_model="infersim"), tmp_path / "paper")
    command = ["pdflatex", "-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "main"]
    done = subprocess.run(command, cwd=tmp_path / "paper", capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert not list(tmp_path.rglob("pwned"))
    text = (tmp_path / "paper" / "section.tex").read_text()
    assert "\\textbackslash{}input\\{" in text
    live = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert "\\input{" not in live
    assert "\\end{document}" not in live
    xml.dom.minidom.parseString((tmp_path / "paper" / "formulas.html").read_text())
    for file in ("formulas.html", "formulas.md"):
        assert "<script" not in (tmp_path / "paper" / file).read_text()


def test_typst_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typst = pytest.importorskip("typst")
    monkeypatch.chdir(tmp_path)
    costs = symsim.compile("qwen3-8b", device_named(' "#panic("x") '.join(NAMES), tmp_path), cost_model="infersim")
    (tmp_path / "formula.typ").write_text(costs.tpot.to_typst())
    typst.compile(tmp_path / "formula.typ", output=tmp_path / "formula.pdf")


def test_markdown_holds_no_markup_of_a_name(tmp_path: Path) -> None:
    costs = symsim.compile("qwen3-8b", device_named(" ".join(NAMES), tmp_path), cost_model="infersim")
    subject = costs.tpot.to_markdown().split("\n\n")[1]
    assert not re.search(r"[<>`$\[\]|\\]", subject)


def test_a_picture_takes_dollar_signs(tmp_path: Path) -> None:
    name = r"_A $\frac{$ B"
    costs = symsim.compile("qwen3-8b", device_named(name, tmp_path), cost_model="infersim")
    save_regimes(symsim.regimes(costs.tpot, "B", 1, 2, S=64, O=64), None, None, tmp_path / "regimes.png")
    save_front({name: [FrontPoint(1.0, 1.0, {"device": name})]}, name, tmp_path / "front.png")


@pytest.mark.parametrize("control", ["\x1b[2J", "\x9b2J", "\x07", "a\u202eb", "\u2028", ""])
def test_a_device_name_is_a_text_to_print(control: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"device\.toml:\d+: name = .* must be a text without control characters"):
        symsim.compile("qwen3-8b", device_named(control, tmp_path), cost_model="infersim")
    (tmp_path / "device.toml").write_text((HARDWARE / "h20.toml").read_text().replace('name = "', 'name = 7 #"', 1))
    with pytest.raises(DataError, match="name = 7 must be a text"):
        symsim.compile("qwen3-8b", tmp_path / "device.toml", cost_model="infersim")


def test_a_name_over_two_lines_is_one(tmp_path: Path) -> None:
    assert load_device(device_named("A\n  B", tmp_path)).name == "A B"


def test_control_characters_of_paths_and_keys_are_shown(tmp_path: Path) -> None:
    config = model_in(tmp_path / "a\x1b[2J\nb")
    costs = symsim.compile(config, "h20", cost_model="infersim")
    for text in (costs.tpot.subject, costs.tpot.layout("symbolic").origin):
        assert text.isprintable()
    assert "\\x1b[2J\\nb" in costs.tpot.to_latex()
    config.write_text(json.dumps({**json.loads(config.read_text()), "a\x1b[2Jb": 1}))
    for command in (["params", str(config)], ["params", str(config.parent / "\x1b[2J")]):
        said = run(*command).stderr
        assert "\x1b" not in said
        assert "\\x1b[" in said  # a long path is cut


@pytest.mark.parametrize("cell", ["A1", "$B$2", "Sheet1!C3", "'My sheet'!$D4", "'it''s'!A1", "batch"])
def test_cells_may_stand_anywhere(cell: str) -> None:
    assert (
        symsim.compile("qwen3-8b", "h20", cost_model="infersim")
        .tpot.to_excel({"B": cell})
        .startswith(f"=LET(B_,{cell},")
    )


@pytest.mark.parametrize(
    "cell",
    ['A1),HYPERLINK("http://x")', "A1:A9", "1+1", "", "A1,B1", "'[book.xlsx]a'!A1", "cmd|' /C calc'!A0", "A1\n"],
)
def test_a_cell_is_a_reference(cell: str) -> None:
    with pytest.raises(symsim.SymsimError, match=r"is no cell; expected e\.g\. A1"):
        symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot.to_excel({"B": cell})


def test_only_inputs_have_cells() -> None:
    with pytest.raises(symsim.SymsimError, match="batch is no input of this formula; known: B, O, S"):
        symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot.to_excel({"batch": "A1"})


def test_the_command_itself_is_safe(tmp_path: Path) -> None:
    device = device_named(NAMES[0], tmp_path)
    made = run("formula", "qwen3-8b", "--cost-model", "infersim", "--device", str(device), "--format", "python")
    done = subprocess.run([sys.executable, "-"], input=made.stdout, cwd=tmp_path, text=True)
    assert done.returncode == 0
    assert not (tmp_path / "pwned").exists()
