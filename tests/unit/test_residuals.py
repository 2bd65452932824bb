"""`symsim fit --kernels --residuals`: forms of kernel time, corrected by the nearest measurements."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy.core.function import AppliedUndef

import symsim
from symsim.calibration.measured import device_numbers
from symsim.cost.forms import array_form
from symsim.errors import DataError
from symsim.tables.bind import bind
from symsim.tables.coefficients import read_coefficients
from symsim.tables.residuals import nearest_residual, read_residuals, residual_signature
from symsim.tables.table import TableContext
from tests.commands import run

pandas = pytest.importorskip("pandas")
pytest.importorskip("scipy")

TRUTH = {"t0": 2.5e-6, "ec": 0.75, "em": 0.85, "p": 2.2, "h": 3e4, "hk": 90.0, "t1": 6e-6, "k1": 2500.0}
BUMP = 1.4


def gemms(folder: Path, bump: Any) -> Path:
    """GEMMs of a known form times `bump(m)`; N and K of qwen3-8b are among them."""
    m, shape = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(14), np.arange(24)))
    sizes = {"m": m, "n": 1024 * (1 + shape % 6), "k": 1024 * (1 + shape // 6)}
    function, names = array_form("gemm")
    known = {**device_numbers("h100_sxm", "bfloat16", None, None), **sizes, **TRUTH}
    about = {"device": "h100_sxm", "engine": "vllm", "version": "1", "kernel": "linear", "dtype": "bfloat16"}
    seconds = np.asarray(function(*map(known.get, names))) * bump(m)
    folder.mkdir()
    pandas.DataFrame({"source": "made up", **about, **sizes, "seconds": seconds}).to_csv(folder / "gemm.csv")
    return folder


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coefficients of kernels that take 1.4 times as long from 64 to 256 rows."""
    folder = tmp_path_factory.mktemp("residuals")
    data = gemms(folder / "data", lambda m: np.where((m >= 64) & (m <= 256), BUMP, 1.0))
    done = run("fit", str(data), "--kernels", "--residuals", "--out", str(folder / "new" / "own"))
    assert done.returncode == 0, done.stderr
    assert "(the form alone " in done.stdout
    return folder / "new" / "own"


def test_what_was_measured_is_what_is_predicted(own: Path) -> None:
    (found,) = read_coefficients(own / "gemm.toml")
    names, measured = read_residuals(Path(found.residuals))
    assert (names, len(measured), found.groups) == (("m", "n", "k", "residual"), 14 * 24, 24)
    assert found.median < 0.01, "the bump is the same in shapes left out"
    context = TableContext(
        device="", vintage="", kv="", cost_model="", residuals=(("residual_gemm", Path(found.residuals)),)
    )
    lookup = bind("residual_gemm", (4096.0, 4096.0), context)
    (here,) = measured[(measured[:, :3] == (128, 4096, 4096)).all(axis=1)]
    assert lookup(128) == pytest.approx(here[3], rel=0.01)
    assert lookup(128) == lookup(100) == lookup(180) != lookup(90), "steps lie halfway between 64, 128 and 256"
    assert lookup.explain(100, default=0).sentence().startswith(f"{found.residuals}:")
    far = bind("residual_gemm", (2.0**40, 2.0**40), context)
    assert far(128) == pytest.approx(1, abs=0.02), "far from all measurements it is the form"


def test_a_correction_is_a_look_up_of_the_formula(own: Path) -> None:
    costs = symsim.compile("qwen3-8b", "h100", calibration=str(own))
    calls = {str(call.func) for step in costs.tpot.form.derivation.steps for call in step.expr.atoms(AppliedUndef)}
    assert calls == {"residual_gemm"}
    names: dict[str, Any] = {}
    exec(costs.tpot.to_python(), names)
    for B in (1, 100, 500):
        point = {"B": B, "S": 1000, "O": 100}
        assert names["tpot"](**point) == pytest.approx(costs.tpot.evaluate(**point), rel=1e-12)
        low, high = costs.tpot.interval(**point)
        assert low < costs.tpot.evaluate(**point) < high
    answer = costs.solve("max B subject to TPOT <= 9 ms at S=1000, O=100")
    holds = costs.tpot.function(["B", "S", "O"])(np.arange(1, 4000), 1000, 100) <= 9e-3
    assert answer.value == 1 + int(np.flatnonzero(holds).max())


def test_times_that_are_corrected_are_printed_with_units(own: Path) -> None:
    """The constant and each term of the norm are times; the factors before and behind have no unit."""
    tpot = symsim.compile("qwen3-8b", "h100", calibration=str(own)).tpot
    for text in (tpot.to_text(level="numeric"), tpot.to_latex(level="numeric")):
        (line,) = (line for line in text.splitlines() if line.lstrip().startswith(("t_o_proj", "t_{\\mathrm{o")))
        assert re.search(r"= (&= )?(?:0\.\d+|\d+/\d+|\\frac\{\d+\}\{\d+\})( \\left|\*)\(", line.replace("&=", "="))
        assert re.search(r"(residual_gemm|\\rho\^\{\\mathrm\{gemm\}\})\(B, 4096, 4096\)", line)
        assert len(re.findall(r"\d(?: |\\,)(?:\\mathrm\{)?(?:\\mu\\mathrm\{)?(?:µ|n|m)?s\b", line)) >= 4
        assert not re.search(r"\d{6}", line), "no fractions of many digits"


def test_what_explains_nothing_is_left_out(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    data = gemms(tmp_path / "data", lambda m: np.exp(noise.normal(0, 0.2, len(m))))
    (tmp_path / "own").mkdir()
    done = run("fit", str(data), "--kernels", "--residuals", "--out", str(tmp_path / "own"))
    assert (done.returncode, "the form alone" in done.stdout) == (0, False), done.stderr
    (found,) = read_coefficients(tmp_path / "own" / "gemm.toml")
    assert (found.residuals, (tmp_path / "own" / "residuals").exists()) == ("", False)


def test_the_nearest_count_by_their_distance() -> None:
    places, logs = np.array([[0.0], [1.0], [10.0]]), np.array([0.1, 0.3, 9.0])
    found, first = nearest_residual(places, logs, np.array([[0.0], [0.5], [40.0]]))
    assert found[0] == pytest.approx(0.1, abs=0.02)
    assert found[1] == pytest.approx(0.2, abs=0.06)
    assert list(first) == [0, 0, 2]


def test_names_of_residuals_and_files_that_are_none(tmp_path: Path, own: Path) -> None:
    known = residual_signature("residual_attention_decode_fp8")
    assert known is not None
    assert (known.axes, known.shape_args) == (("batch", "met"), ("heads", "kv_heads", "head_dim"))
    assert residual_signature("residual_of_nothing") is None
    broken = tmp_path / "broken.csv"
    broken.write_text("m,n,k,residual\n1,2,three,1\n")
    with pytest.raises(DataError, match=r"broken\.csv: not a file of residuals"):
        read_residuals(broken)
    alone = run("fit", str(own), "--residuals", "--model", "qwen3-8b", "--device", "h100")
    assert (alone.returncode, "give --kernels too" in alone.stderr) == (2, True)
    moved = shutil.copytree(own, tmp_path / "moved")
    shutil.rmtree(moved / "residuals")
    gone = run("report", "qwen3-8b", "--device", "h100", "--calibration", str(moved), "--at", "B=1,S=1,O=1")
    assert (gone.returncode, "not a file of residuals" in gone.stderr) == (2, True), gone.stderr
