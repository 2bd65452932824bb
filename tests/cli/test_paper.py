"""A paper's section compiles with pdflatex and bibtex, verifies, and is written whole or not at all."""

import re
import shutil
import subprocess
import xml.dom.minidom
from pathlib import Path

import pytest
import typst

import symsim
from symsim.algebra.symbols import symbol_info
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import Level
from symsim.notation.latex import quantity
from symsim.publication.bibliography import cited, entries
from symsim.publication.short_form import short_form
from symsim.tables.coefficients import coefficients_of
from tests.commands import run

LARGE = symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch")
SUBJECTS = [
    ("deepseek-v3", "h800", LARGE, "infersim"),
    ("deepseek-v3.2", "h800", LARGE, "roofline"),
    ("qwen3-8b", "h20", symsim.Deployment(), "infersim"),
    ("qwen3-next-80b-a3b", "h20", symsim.Deployment(world_size=4), "roofline"),
]
SLOW = pytest.mark.slow
WRITTEN = [
    pytest.param(*SUBJECTS[0], "article", 1, id="deepseek-v3-article"),
    pytest.param(*SUBJECTS[2], "acmart", 2, id="qwen3-8b-acmart", marks=SLOW),
    pytest.param(*SUBJECTS[1], "IEEEtran", 2, id="deepseek-v3.2-IEEEtran", marks=SLOW),
    pytest.param(*SUBJECTS[3], "article", 2, id="qwen3-next-80b-a3b-two-columns", marks=SLOW),
    pytest.param(*SUBJECTS[0][:3], "calibrated", "acmart", 2, id="deepseek-v3-calibrated-acmart", marks=SLOW),
]
SHORT = ["main.tex", "main.typ", "references.bib", "section.tex", "section.typ"]
FILES = [*SHORT, "appendix.tex", "formulas.html", "formulas.md", "formulas.typ"]


def tex(command: str, folder: Path) -> str:
    words = [command, *(["-interaction=nonstopmode", "-halt-on-error"] if command == "pdflatex" else []), "main"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


TEX = pytest.mark.skipif(shutil.which("bibtex") is None, reason="needs pdflatex and bibtex, which CI installs")


def typeset(folder: Path) -> str:
    """The log, without a trouble."""
    tex("pdflatex", folder)
    tex("bibtex", folder)
    tex("pdflatex", folder)
    tex("pdflatex", folder)
    log = (folder / "main.log").read_text(errors="replace")
    for trouble in ("Overfull", "undefined", "multiply defined", "Rerun to", "Missing character"):
        assert trouble not in log
    return log


REQUESTS = ("--isl", "2048", "--osl", "512")


@TEX
@pytest.mark.parametrize(
    ("style", "columns", "load"),
    [("IEEEtran", 2, {"rate": 2}), pytest.param("acmart", 2, {"concurrency": 32}, marks=SLOW)],
)
def test_requests_under_load_get_a_section_whose_numbers_are_those_of_predict(
    tmp_path: Path, style: str, columns: int, load: dict[str, float]
) -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    found = costs.predict(isl=2048, osl=512, **load)
    out = tmp_path / "out"
    symsim.paper(costs, out, style=style, columns=columns, short=True, only=["tpot"], requests=found)
    typeset(out)
    text = (out / "requests.tex").read_text()
    for outcome in found.figures.served.forms.values():
        assert f"% form {outcome.form.quantity}.{outcome.form.name}\n" in text
    example = text.partition("Worked example")[2]
    for value in (found.figures.ttft["mean"], found.figures.tpot):
        assert value is not None
        assert f"= {quantity(value, 's')}" in example


def test_a_section_about_requests_needs_lengths_and_a_load(tmp_path: Path) -> None:
    words = ("paper", "llama-3.3-70b", "--device", "h100", "--tp", "4", "--out", "p", "--short")
    for load in (REQUESTS, (*REQUESTS, "--rate", "1", "--concurrency", "4"), ("--isl", "2048", "--rate", "1")):
        done = run(*words, *load, folder=tmp_path)
        assert done.returncode == 2
        assert "needs --isl, --osl and one of --rate and --concurrency" in done.stderr
    overloaded = run(*words, *REQUESTS, "--rate", "1000", folder=tmp_path)
    assert overloaded.returncode == 2
    assert "there is nothing to write of these requests" in overloaded.stderr
    assert not (tmp_path / "p").exists()


@TEX
@pytest.mark.parametrize(("model", "device", "deployment", "cost_model", "style", "columns"), WRITTEN)
def test_it_compiles_and_verifies(
    tmp_path: Path,
    model: str,
    device: str,
    deployment: symsim.Deployment,
    cost_model: str,
    style: str,
    columns: int,
) -> None:
    costs = symsim.compile(model, device, deployment, cost_model)
    files = symsim.paper(costs, tmp_path / "paper", limit=0.05, style=style, columns=columns)
    assert {file.name for file in files} >= {*FILES, "tpot.pdf", "sensitivity.pdf"}
    typeset(tmp_path / "paper")
    verdict = run("verify", str(tmp_path / "paper" / "appendix.tex"))
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert verdict.stdout.count("equal") == 7


@TEX
@pytest.mark.parametrize(
    ("style", "cost_model"),
    [
        pytest.param("article", "roofline"),
        pytest.param("IEEEtran", "calibrated", marks=SLOW),
        pytest.param("acmart", "infersim", marks=SLOW),
    ],
)
def test_the_short_form_is_short(tmp_path: Path, style: str, cost_model: str) -> None:
    costs = symsim.compile("qwen3-8b", "h100", cost_model=cost_model)
    files = symsim.paper(costs, tmp_path, style=style, columns=2, short=True, only=("tpot", "memory"))
    assert {file.name for file in files} == {*SHORT, "tpot.pdf"}
    assert re.search(r"\((1 page|2 pages),", typeset(tmp_path))


@pytest.mark.parametrize(("cost_model", "known"), [("calibrated", True), ("roofline", False)])
def test_a_section_says_between_which_values_its_metrics_are_expected(
    tmp_path: Path, cost_model: str, known: bool
) -> None:
    costs = symsim.compile("qwen3-8b", "h100", cost_model=cost_model)
    symsim.paper(costs, tmp_path, short=True, only=("tpot", "memory"), B=8, S=1000, O=100)
    ends = costs.tpot.interval(B=8, S=1000, O=100)
    assert (ends is not None) == known
    text = (tmp_path / "section.tex").read_text()
    said = [f"${quantity(float(f'{end:.3g}'), 's')}$" for end in ends or ()]
    assert (f"cases $\\mathrm{{TPOT}}$ is from {' to '.join(said)} at the point" in text) == known
    assert ("shaded: in 90" in text) == known


@pytest.mark.parametrize(
    ("model", "device", "deployment", "cost_model"), SUBJECTS[:3], ids=[s[0] for s in SUBJECTS[:3]]
)
@pytest.mark.parametrize("metric", ["tpot", "ttft"])
def test_terms_of_the_short_form_add_up(
    model: str, device: str, deployment: symsim.Deployment, cost_model: str, metric: str
) -> None:
    costs = symsim.compile(model, device, deployment, cost_model)
    formula = costs.metric(metric)
    point = {
        name: value for name, value in {"B": 24, "S": 3000, "O": 500, "T": 6000}.items() if name in formula.symbols
    }
    terms = short_form(costs, metric, point).terms
    assert sum(term.value for term in terms) == pytest.approx(formula.evaluate(**point), rel=1e-12)
    values = {**formula.form.point(**point)}
    for term in terms:
        if term.closed is not None:
            assert numbers((term.closed,), values, formula.form.context)[0] == pytest.approx(term.value, rel=1e-9)


def test_kernel_papers_are_cited_where_their_measurements_are_used(tmp_path: Path) -> None:
    for device, cited_there in (("h20", True), ("h100", False)):
        costs = symsim.compile("qwen3-8b", device, cost_model="infersim")
        symsim.paper(costs, tmp_path / device, short=True)
        text = (tmp_path / device / "section.tex").read_text()
        assert ("deepgemm" in text) is cited_there
        assert "aiconfigurator" not in text
        assert ("Assumed, not measured: $0.4$" in text) is not cited_there


def test_fitted_coefficients_stand_with_what_they_were_fitted_on(tmp_path: Path) -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    symsim.paper(costs, tmp_path, only=["tpot", "memory"])
    text = (tmp_path / "appendix.tex").read_text()
    section = text[text.index("\\section{Coefficients}") : text.index("\\section{Regimes}")].replace(
        "\\allowbreak{}", ""
    )
    (gemm,) = [
        one
        for one in coefficients_of("gemm")
        if (one.device, one.engine, one.kernel) == ("h100_sxm", "vllm", "torch.nn.functional.linear")
    ]
    row = next(line for line in section.splitlines() if line.startswith("$\\mathrm{gemm}$"))
    assert f"{gemm.rows} times of {gemm.groups} shapes; h100\\_sxm, vllm, {gemm.version}, {gemm.kernel}" in row
    assert f"{100 * gemm.median:.2g}\\,\\%, {100 * gemm.p90:.2g}\\,\\%" in row
    assert f"{gemm.low:.2g} to {gemm.high:.3g}" in row
    value = quantity(gemm.values["t1"], "s")
    assert f"$t_{{1}}^{{\\mathrm{{gemm}}}}$ & gemm: longest latency of a block along k & ${value}$" in section
    bibliography = (tmp_path / "references.bib").read_text()
    for key, used in (("aiconfigurator", True), ("gpustack", True), ("pytorch", True), ("flashmla", False)):
        assert (f"{{{key}," in bibliography) is used
    names = {row.info.name for row in costs.tpot.layout("symbolic").symbols if row.source.how == "fitted"}
    assert names
    assert all(f"${symbol_info(name).latex}$ &" in section for name in names)


def test_kernels_are_functions_of_their_shape_that_are_defined_once_a_metric_and_verified(tmp_path: Path) -> None:
    costs = symsim.compile("gpt-oss-120b", "b200", symsim.Deployment(tp=2))
    symsim.paper(costs, tmp_path, only=["tpot"])
    appendix = tmp_path / "appendix.tex"
    text = appendix.read_text()
    assert (
        text.count(r"  &\tau_{\mathrm{gemm}}(\mathrm{comp}, \mathrm{mem}, \mathrm{m}, \mathrm{n}, \mathrm{k}) =") == 1
    )
    assert text.count(r"\tau_{\mathrm{gemm}}") > 5  # the projections and their worked example
    assert run("verify", str(appendix)).returncode == 0
    before, defined, after = text.partition(r"\mathrm{n}, \mathrm{k}) =")
    wrong = after.replace(r"\mathrm{mem}", r"2\,\mathrm{mem}", 1)
    for changed, code, said in (
        (before + defined + wrong, 1, "differ"),
        (
            before.replace(r"\tau_{\mathrm{gemm}}", r"\tau_{\mathrm{mine}}", 1) + defined + after,
            2,
            "stands for nothing",
        ),
        (before + r"\mathrm{n}) =" + after.replace(r"\mathrm{k}", r"\mathrm{n}"), 2, "4 arguments, found 5"),
    ):
        appendix.write_text(changed)
        done = run("verify", str(appendix))
        assert done.returncode == code, done.stdout + done.stderr
        assert said in done.stdout + done.stderr


@pytest.mark.parametrize("cost_model", ["roofline", "calibrated", "infersim"])
def test_the_short_form_compiles_as_typst_and_says_what_the_latex_says(tmp_path: Path, cost_model: str) -> None:
    costs = symsim.compile("qwen3-8b", "h100", cost_model=cost_model)
    symsim.paper(costs, tmp_path, columns=2, short=True, only=("tpot", "memory"))
    assert typst.compile(tmp_path / "main.typ", format="pdf").startswith(b"%PDF")
    text, latex = ((tmp_path / f"section.{ending}").read_text() for ending in ("typ", "tex"))
    assert text.count("\n  [$") == latex.count("\n$")  # a row a sign
    value = costs.tpot.evaluate(B=64, S=4096, O=2048) * 1e3
    assert f'[${value:.6g} thin "ms"$]' in text
    assert "\\" not in re.sub(r"\\\n|\\[()/_*#@\[\]]", "", text)  # no command of LaTeX is left


def test_the_worked_example_ends_at_the_metric(tmp_path: Path) -> None:
    costs = symsim.compile("deepseek-v3", "h800", LARGE, cost_model="infersim")
    symsim.paper(costs, tmp_path, B=96, S=2000, O=500)
    text = (tmp_path / "appendix.tex").read_text()
    milliseconds = costs.tpot.evaluate(B=96, S=2000, O=500) * 1e3
    assert f"= {milliseconds:.6g}\\,\\mathrm{{ms}}\n\\end{{align*}}" in text
    assert "chosen for the worked example" in text


def test_every_citation_has_an_entry() -> None:
    for model, device, deployment, cost_model in SUBJECTS:
        keys = cited(symsim.compile(model, device, deployment, cost_model), ["DeepGEMM, masked layout", "FlashMLA"], ())
        assert {key for group in keys.values() for key in group} <= set(entries())
        assert keys["architecture"]
        assert keys["library"] == ("deepgemm", "flashmla")


@pytest.mark.parametrize("level", ["symbolic", "model", "numeric"])
@pytest.mark.parametrize(("model", "device", "deployment", "cost_model"), SUBJECTS, ids=[s[0] for s in SUBJECTS])
def test_other_notations_are_valid(
    model: str, device: str, deployment: symsim.Deployment, cost_model: str, level: Level
) -> None:
    costs = symsim.compile(model, device, deployment, cost_model)
    for formula in (costs.tpot, costs.ttft, costs.memory, costs.max_batch):
        page = xml.dom.minidom.parseString(formula.to_mathml(level))
        steps = page.getElementsByTagName("mtable")[0].getElementsByTagName("mtr")
        assert len(steps) == len(formula.form.derivation.steps)
        assert not page.getElementsByTagName("merror")
        assert "\\" not in "".join(node.data for node in _texts(page))
        assert typst.compile(formula.to_typst(level).encode(), format="pdf").startswith(b"%PDF")


def _texts(node: xml.dom.minidom.Node) -> list[xml.dom.minidom.Text]:
    own = [node] if isinstance(node, xml.dom.minidom.Text) else []
    return [*own, *(text for child in node.childNodes for text in _texts(child))]


def test_own_files_are_replaced_and_no_others(tmp_path: Path) -> None:
    costs = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    (tmp_path / "notes.txt").write_text("mine")
    symsim.paper(costs, tmp_path)
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    symsim.paper(costs, tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == first
    (tmp_path / "main.tex").write_text("my own article")
    with pytest.raises(symsim.SymsimError, match=r"main\.tex was not written by symsim paper"):
        symsim.paper(costs, tmp_path, B=2)
    assert (tmp_path / "main.tex").read_text() == "my own article"
    assert (tmp_path / "section.tex").read_bytes() == first["section.tex"]


def test_nothing_is_left_of_an_error(tmp_path: Path) -> None:
    done = run("paper", "qwen3-8b", "--cost-model", "infersim", "--out", str(tmp_path / "out"), "--at", "B=0")
    assert done.returncode == 2
    done = run("paper", "qwen3-8b", "--cost-model", "infersim", "--out", str(tmp_path / "out"), "--sla", "50 GB")
    assert done.returncode == 2
    done = run("paper", "qwen3-8b", "--cost-model", "infersim", "--out", str(tmp_path / "out"), "--only", "tpt")
    assert done.returncode == 2
    assert "did you mean tpot" in done.stderr
    done = run(
        "paper",
        "deepseek-v3",
        "--cost-model",
        "infersim",
        "--kv",
        "fp8",
        "--device",
        "h800",
        "--out",
        str(tmp_path / "out"),
    )
    assert done.returncode == 2  # no fp8 rows, and no default may stand in
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    assert run("paper", "qwen3-8b", "--cost-model", "infersim", "--out", str(tmp_path / "file")).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
