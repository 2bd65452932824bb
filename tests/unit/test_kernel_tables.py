"""`symsim fit FOLDER --kernels` on tables of one's own: what they need, what of them counts, and what is said."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symsim.calibration.kernel_tables import kernel_table
from symsim.calibration.measured import device_numbers
from symsim.cost.forms import array_form
from symsim.errors import DataError
from symsim.tables.coefficients import read_coefficients
from tests.commands import run

pandas = pytest.importorskip("pandas")
pytest.importorskip("scipy")

TRUTH = {"t0": 2.5e-6, "ec": 0.75, "em": 0.85, "p": 2.2, "h": 3e4, "hk": 90.0, "t1": 6e-6, "k1": 2500.0}


def gemms(**about: Any) -> Any:
    """GEMMs of a known form, as somebody measures them who states no source."""
    m, shape = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(12), np.arange(6)))
    sizes = {"m": m, "n": 1024 * (1 + shape % 3), "k": 1024 * (1 + shape // 3)}
    function, names = array_form("gemm")
    known = {**device_numbers("h100_sxm", "bfloat16", None, None), **sizes, **TRUTH}
    seconds = np.asarray(function(*map(known.get, names)))
    usual = {"device": "h100_sxm", "engine": "vllm", "version": "1", "kernel": "linear", "dtype": "bfloat16"}
    return pandas.DataFrame({**usual, **about, **sizes, "seconds": seconds})


def put(folder: Path, frame: Any, op: str = "gemm") -> Path:
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / f"{op}.csv", index=False)
    return folder


def test_the_folder_is_made_and_coefficients_say_whose_measurements_they_are_of(tmp_path: Path) -> None:
    out = tmp_path / "new" / "own"
    done = run("fit", str(put(tmp_path / "data", gemms())), "--kernels", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    text = (out / "gemm.toml").read_text()
    assert "NVIDIA" not in text, "nobody else's measurements are in it"
    (found,) = read_coefficients(out / "gemm.toml")
    assert (found.source, found.groups, found.rows) == ("gemm.csv", 6, 72)


def test_device_and_engine_choose_rows_of_tables_too(tmp_path: Path) -> None:
    tables = [gemms(), gemms(device="h200_sxm"), gemms(engine="sglang"), gemms(device="my_gpu"), gemms(dtype="bf16")]
    data, out = put(tmp_path / "data", pandas.concat(tables)), tmp_path / "own"
    done = run("fit", str(data), "--kernels", "--device", "h100", "--engine", "vllm", "--out", str(out), "--json")
    (one,) = json.loads(done.stdout)["kernels"]
    assert (one["table"], one["device"], one["engine"], one["rows"]) == ("gemm", "h100_sxm", "vllm", 72)
    assert list(json.loads(done.stdout)["refused"].values()) == [72]
    assert "72 measurements left out: no number format 'bf16'" in done.stderr
    every = run("fit", str(data), "--kernels", "--out", str(out))
    assert len(read_coefficients(out / "gemm.toml")) == 3
    assert "72 measurements left out: no device 'my_gpu' in measured kernels; known: a100_sxm, " in every.stderr


def test_what_no_form_can_be_fitted_to_is_said(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "own"
    for frame, says in (
        (
            gemms().drop(columns=["k", "version"]),
            "gemm.csv: no column version, k; a table of gemm has device, engine, ",
        ),
        (gemms().assign(seconds="fast"), "gemm.csv:2: seconds = fast; expected a number above 0"),
        (gemms().assign(seconds=0.0), "gemm.csv:2: seconds = 0.0; expected a number above 0"),
        (gemms().assign(m=-1), "gemm.csv:2: m = -1; expected a number above 0"),
        (gemms(device="my_gpu"), "no tables of measured kernels: no device 'my_gpu' in measured kernels; known: "),
    ):
        refused = run("fit", str(put(data, frame)), "--kernels", "--out", str(out))
        assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr
        assert not out.exists()
    put(data, gemms())
    for words, says in (
        (("--device", "b200"), "no tables of measured kernels of b200_sxm"),
        (("--model", "qwen3-8b", "--tp", "2"), "--model, --tp: of runs, and tells nothing of kernels by themselves"),
    ):
        refused = run("fit", str(data), "--kernels", *words, "--out", str(out))
        assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr


def test_kernels_told_by_their_operation_need_it_under_either_name(tmp_path: Path) -> None:
    about = {"device": "h100_sxm", "engine": "nccl", "version": "2", "kernel": "NCCL", "dtype": "half"}
    sizes = {"gpus": [2, 4], "elements": [256, 512], "seconds": 1e-5}
    put(tmp_path, pandas.DataFrame({**about, **sizes}), "collectives")
    with pytest.raises(DataError, match=r"collectives\.csv: no column operation; a table of collectives has "):
        kernel_table(tmp_path, "collectives")
    for name in ("op", "operation"):
        put(tmp_path, pandas.DataFrame({**about, **sizes, name: "all_reduce"}), "collectives")
        table, refused = kernel_table(tmp_path, "collectives")
        assert (list(table.operation), refused) == (["all_reduce"] * 2, {})
    put(tmp_path, pandas.DataFrame({**about, "heads": [16], "batch": 1, "context": 0, "seconds": 1e-5}), "mla_decode")
    with pytest.raises(DataError, match=r"mla_decode\.csv:2: context = 0; expected a number above 0"):
        kernel_table(tmp_path, "mla_decode")
