"""`symsim fit --kernels` on files of the public package of measured kernels."""

from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symsim
from symsim.calibration.measured import device_numbers
from symsim.calibration.package import package_folder, package_name, package_table
from symsim.cost.forms import array_form
from symsim.errors import DataError, SymsimError
from symsim.tables.coefficients import read_coefficients
from tests.commands import run

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

TRUTH = {"t0": 2.5e-6, "ec": 0.75, "em": 0.85, "p": 2.2, "h": 3e4, "hk": 90.0, "t1": 6e-6, "k1": 2500.0}


def put(folder: Path, place: str, **columns: Any) -> Path:
    path = folder / f"{place}_perf.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pandas.DataFrame(columns).to_parquet(path)
    return folder


def gemms(folder: Path) -> Path:
    """GEMMs of a known form, in milliseconds, in the package's words."""
    m, shape = (grid.ravel() for grid in np.meshgrid(2.0 ** np.arange(14), np.arange(24)))
    sizes = {"m": m, "n": 512 * (1 + shape % 6) ** 2, "k": 768 * (1 + shape // 6) ** 2}
    function, names = array_form("gemm")
    known = {**device_numbers("h100_sxm", "bfloat16", None, None), **sizes, **TRUTH}
    about = {"kernel_source": "torch.nn.functional.linear", "gemm_dtype": "bfloat16", "framework": "VLLM"}
    return put(
        folder,
        "h100_sxm/gemm/vllm/0.24.0/gemm",
        **about,
        **sizes,
        latency=1e3 * np.asarray(function(*map(known.get, names))),
    )


def test_the_forms_of_a_package_are_fitted_and_used(tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    data, own = gemms(tmp_path / "data"), tmp_path / "own"
    own.mkdir()
    done = run("fit", str(data), "--kernels", "--device", "h100", "--out", str(own))
    assert done.returncode == 0, done.stderr
    (found,) = read_coefficients(own / "gemm.toml")
    assert (found.device, found.engine, found.version, found.groups) == ("h100_sxm", "vllm", "0.24.0", 24)
    assert {name: found.values[name] for name in ("ec", "em")} == pytest.approx({"ec": 0.75, "em": 0.85}, rel=0.02)
    assert found.source == f"{package_name()} 0.12.0"
    assert symsim.compile("qwen3-8b", "h100", calibration=str(own)).tpot.evaluate(B=8, S=1000, O=100) > 0
    for words, says in (
        (("--device", "a100-80"), "no tables of measured kernels"),
        (("--engine", "sglang"), "no tables of measured kernels"),
        (("--device", "tpu-v6e"), "no kernels of Google TPU v6e"),
    ):
        refused = run("fit", str(data), "--kernels", *words, "--out", str(own))
        assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr


def test_rows_that_are_there_twice_count_once_and_units_are_seconds(tmp_path: Path) -> None:
    row = {"kernel_source": ["deepep"] * 2, "comm_dtype": "default", "comm_backend": "deepep_ll", "phase": "combine"}
    sizes = {
        "ep_size": 8,
        "node_num": 1,
        "hidden_size": 7168,
        "topk": 8,
        "num_experts": 256,
        "num_tokens": 16,
        "sms": 0,
    }
    put(tmp_path, "gb200/comm/vllm/0.24.0/moe_a2a", **row, **sizes, latency=[76.0, 77.0])
    table = package_table(tmp_path, "all_to_all")
    assert list(table.seconds) == [pytest.approx(76e-6)]
    assert (table.op[0], table.gpus[0], table.device[0]) == ("deepep_ll", 8, "gb200")
    low = {"kernel_source": ["deepep"], "hidden_size": 7168, "num_topk": 8, "num_experts": 256, "num_token": 1}
    put(
        tmp_path,
        "gb200/comm/sglang/0.5.12/wideep_deepep_ll",
        **low,
        node_num=2,
        dispatch_avg_t_us=16.0,
        combine_avg_t_us=12.0,
    )
    found = package_table(tmp_path, "all_to_all", engine="sglang")
    assert dict(zip(found.phase, found.seconds, strict=True)) == pytest.approx({"dispatch": 16e-6, "combine": 12e-6})
    assert set(found.gpus) == {8}, "a node of GB200 is four"


def test_experts_that_were_not_divided_are_left_out(tmp_path: Path) -> None:
    about = {"kernel_source": "sglang_fused_moe_triton", "moe_dtype": "bfloat16", "num_tokens": 8, "hidden_size": 4096}
    sizes = {"inter_size": 14336, "topk": 2, "num_experts": 8, "moe_tp_size": 1, "moe_ep_size": [1, 2, 1]}
    skew = {"distribution": ["balanced", "balanced", "power_law_1.2"]}
    put(tmp_path, "h100_sxm/moe/sglang/0.5.14/moe", **about, **sizes, **skew, latency=1.0)
    found = package_table(tmp_path, "moe")
    assert list(zip(found.ep, found.distribution, found.gated, strict=True)) == [(1, "balanced", 1)]


def test_what_is_not_the_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "h100_sxm/gemm/vllm/0.24.0/gemm", m=[1], n=[1])
    with pytest.raises(DataError, match=r"gemm_perf\.parquet: not a file as calibration/package\.toml describes"):
        package_table(tmp_path, "gemm")
    assert package_table(tmp_path, "moe") is None

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    refused = run("fit", package_name(), "--kernels", "--out", str(tmp_path))
    assert (refused.returncode, "pip install 'symsim-llm[measured]'" in refused.stderr) == (2, True)
    other = SimpleNamespace(version="0.13.0", locate_file=lambda name: tmp_path / name)
    monkeypatch.setattr(metadata, "distribution", lambda name: other)
    with pytest.raises(SymsimError, match=r"0\.13\.0 is installed; the files that are known are those of 0\.12\.0"):
        package_folder()
    other.version = "0.12.0"
    assert package_folder() == tmp_path / "aiconfigurator_core/systems/data"


def test_runs_need_a_device(tmp_path: Path) -> None:
    refused = run("fit", str(tmp_path / "runs.csv"), "--model", "qwen3-8b")
    assert (refused.returncode, "fit needs --device: what the runs were on" in refused.stderr) == (2, True)
