"""Measured runs of prefill and decode apart, and of engines with drafts: what tables of InferenceX hold of them.

None of these runs chose a figure of the kernels or of the engines; accepted lengths of drafts are those of `LENGTHS`,
which runs with `split` = fit chose.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symsim.calibration.runs import OTHERS, Run
from symsim.paths import read_text

_ENGINES = {
    "atom": "sglang",
    "trt": "trtllm",
    "dynamo-trt": "trtllm",
    "dynamo-sglang": "sglang",
    "mori-sglang": "sglang",
}
"""Engines of the table -> whose times and kernels stand for theirs."""

_EXPERTS = 256
_WIDE = 16
"""GPUs that share experts, from which engines send tokens to them one by one (DeepEP, NVLink all-to-all)."""

DECODE_GPUS = "decode_gpus"
"""GPUs of all decode workers, of which output tokens are counted."""

DRAFTS = 3
"""The table does not say how many tokens are drafted: three, as recipes of DeepSeek-R1 have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Mean accepted length: `first` at one client, falling as a power of the clients; `fp4`: of fp4 weights.

    Acceptance itself knows no batch: what falls is what the form of a step leaves out, verification and the work of
    drafts for each sequence."""

    first: float
    slope: float
    fp4: float

    def at(self, clients: float, *, fp4: bool) -> float:
        mu = self.first * clients**self.slope * (self.fp4 if fp4 else 1.0)
        return min(max(mu, 1.0), DRAFTS + 1.0)


LENGTHS: Mapping[str, Lengths] = {
    "sglang": Lengths(first=2.60, slope=-0.07, fp4=1.04),
    "trtllm": Lengths(first=2.60, slope=-0.03, fp4=0.98),
}
"""Least deviations of TPOT over the runs with `split` = fit: 46 of SGLang and 35 of TensorRT-LLM."""


_COLUMNS = {"disaggregated", "spec", "prefill_workers", "decode_workers", "median_tpot_s"}
"""What tells an InferenceX table."""


def read_served(path: Path) -> list[Run]:
    """The runs of an InferenceX table that are apart or have drafts; of another file none."""
    if path.suffix != ".csv":
        return []
    rows = list(csv.DictReader(read_text(path).splitlines()))
    if not rows or not set(rows[0]) >= _COLUMNS:
        return []
    return [*_apart(rows, path.name), *_drafted(rows, path.name)]


def _load(row: Mapping[str, str]) -> dict[str, Any]:
    """Lengths are uniform from 0.8 to 1 of what is stated."""
    lengths = {"isl": round(0.9 * int(row["isl"])), "osl": round(0.9 * int(row["osl"]))}
    return {**lengths, "concurrency": int(row["concurrency"])}


def _measured(row: Mapping[str, str]) -> dict[str, float]:
    names = {"tpot_s": "median_tpot_s", "ttft_s": "median_ttft_s", "output_tok_s_per_gpu": "output_tok_s_per_gpu"}
    return {name: float(row[column]) for name, column in names.items() if row[column]}


def _is_known(row: Mapping[str, str]) -> bool:
    return bool(row["isl"] and row["median_tpot_s"]) and not (
        row["device"].startswith("mi") and row["precision"] == "fp4"
    )


def _model(row: Mapping[str, str]) -> str:
    return "deepseek-v3" if row["precision"] == "fp8" else "deepseek-v3.1-nvfp4"


def _run(
    row: Mapping[str, str], table: str, place: str, deployment: Iterable[tuple[str, Any]], more: Mapping[str, Any]
) -> Run:
    fixed = (row["device"], row["engine"], row["precision"], row["isl"], row["osl"], *deployment, *more.items())
    return Run(
        table=table,
        place=place,
        model=_model(row),
        device=row["device"],
        engine=_ENGINES.get(row["engine"], row["engine"]),
        deployment=tuple(deployment),
        load={**_load(row), **more},
        measured=_measured(row),
        setup=" ".join(map(str, fixed)),
        split=row["split"],
        date=row["date"],
        own=row["engine"] not in OTHERS,
    )


def _apart(rows: Iterable[Mapping[str, str]], file: str) -> Iterator[Run]:
    """Output tokens are of a decode GPU: `gpus` of the load are those of all decode workers."""
    for number, row in enumerate(rows, 2):
        if row["disaggregated"] != "1" or row["spec"] != "none" or not _is_known(row):
            continue
        workers = {side: _workers(row, side) for side in ("prefill", "decode")}
        yield _run(row, "inferencex apart", f"{file}:{number}", (), {**workers, DECODE_GPUS: int(row["decode_gpus"])})


def _workers(row: Mapping[str, str], side: str) -> str:
    """`6 x dp=8,ep=8`: GPUs of a worker where attention is data parallel are all of its GPUs. With ep = 1 TensorRT-LLM
    splits each expert over them (moe_expert_parallel_size: 1); the others state no ep there."""
    count, tp, ep = int(row[f"{side}_workers"]) or 1, int(row[f"{side}_tp"]), int(row[f"{side}_ep"])
    gpus = int(row[f"{side}_gpus"]) // count
    if row[f"{side}_dp_attention"] == "1":
        replicas = gpus or max(tp, ep)
        if ep == 1 and _ENGINES.get(row["engine"]) == "trtllm":
            return f"{count} x tp=1,dp={replicas},moe_tp={replicas}"
        ep = replicas if ep == 1 else ep
        wide = f",comm=deepep,redundant_experts={-_EXPERTS % ep}" if ep >= _WIDE else ""
        return f"{count} x tp=1,dp={replicas},ep={ep}{wide}"
    return f"{count} x tp={tp},ep={ep}" if ep <= tp else f"{count} x tp={tp},dp={ep // tp},ep={ep}"


def _drafted(rows: Iterable[Mapping[str, str]], file: str) -> Iterator[Run]:
    for number, row in enumerate(rows, 2):
        if row["disaggregated"] != "0" or row["spec"] != "mtp" or not _is_known(row):
            continue
        tp, ep = int(row["decode_tp"]), int(row["decode_ep"])
        replicas = "dp" if row["decode_dp_attention"] == "1" else "tp"
        own = LENGTHS[_ENGINES.get(row["engine"], row["engine"])]
        length = own.at(int(row["concurrency"]), fp4=row["precision"] == "fp4")
        how = {"drafts": DRAFTS, "acceptance": f"length {length:.4g}"}
        yield _run(row, "inferencex drafts", f"{file}:{number}", ((replicas, tp), ("ep", ep)), how)
