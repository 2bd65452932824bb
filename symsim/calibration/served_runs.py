"""Measured runs of prefill and decode apart, and of engines with drafts: read, predicted, and compared.

`python -m symsim.calibration.served_runs FILE [--split check]` prints the errors. None of these runs chose a figure of
the kernels or of the engines; accepted lengths of drafts are those of `LENGTHS`, which runs with `split` = fit chose.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from symsim.calibration.runs import Run, newest
from symsim.errors import SymsimError
from symsim.inputs.cost_model import LATEST
from symsim.inputs.deployment import Deployment
from symsim.paths import read_text
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.serving.ask import asked
from symsim.serving.prediction import predicted

_ENGINES = {
    "atom": "sglang",
    "trt": "trtllm",
    "dynamo-trt": "trtllm",
    "dynamo-sglang": "sglang",
    "mori-sglang": "sglang",
}
"""Engines of the table -> whose times and kernels stand for theirs."""

EXPERTS = 256
WIDE = 16
"""GPUs that share experts, from which engines send tokens to them one by one (DeepEP, NVLink all-to-all)."""

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
    "sglang": Lengths(first=2.95, slope=-0.14, fp4=1.08),
    "trtllm": Lengths(first=2.45, slope=-0.07, fp4=1.02),
}
"""Least deviations of TPOT over the runs with `split` = fit: 46 of SGLang and 35 of TensorRT-LLM."""


def read_served(path: Path) -> list[Run]:
    """The runs of an InferenceX table that are apart or have drafts, the newest of each set-up."""
    rows = list(csv.DictReader(read_text(path).splitlines()))
    return newest((*_apart(rows, path.name), *_drafted(rows, path.name)))


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
    )


def _apart(rows: Iterable[Mapping[str, str]], file: str) -> Iterator[Run]:
    """Output tokens are of a decode GPU: `gpus` of the load are those of all decode workers."""
    for number, row in enumerate(rows, 2):
        if row["disaggregated"] != "1" or row["spec"] != "none" or not _is_known(row):
            continue
        workers = {side: _workers(row, side) for side in ("prefill", "decode")}
        yield _run(row, "inferencex apart", f"{file}:{number}", (), {**workers, "decode_gpus": int(row["decode_gpus"])})


def _workers(row: Mapping[str, str], side: str) -> str:
    """`6 x dp=8,ep=8`: GPUs of a worker where attention is data parallel are all of its GPUs."""
    count, tp, ep = int(row[f"{side}_workers"]) or 1, int(row[f"{side}_tp"]), int(row[f"{side}_ep"])
    gpus = int(row[f"{side}_gpus"]) // count
    if row[f"{side}_dp_attention"] == "1":
        replicas = gpus or max(tp, ep)
        ep = replicas if ep == 1 else ep
        wide = f",comm=deepep,redundant_experts={-EXPERTS % ep}" if ep >= WIDE else ""
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


@dataclass(frozen=True, slots=True)
class Compared:
    """A metric of a run, SI: measured, predicted, and between what it is expected; saturated: what is over 0.95."""

    run: Run
    metric: str
    measured: float
    predicted: float
    interval: tuple[float, float] | None
    saturated: tuple[str, ...]

    @property
    def error(self) -> float:
        return self.predicted / self.measured - 1


def compared(runs: Iterable[Run]) -> tuple[list[Compared], Counter[str]]:
    """Every metric of every run, and how often which sentence refused one."""
    found, refused = list[Compared](), Counter[str]()
    for run in runs:
        try:
            found += _of_run(run)
        except SymsimError as error:
            refused[str(error)] += 1
    return found, refused


_SATURATED = 0.95


def _of_run(run: Run) -> list[Compared]:
    load = {name: value for name, value in run.load.items() if name != "decode_gpus"}
    figures = predicted(_compiled(run.model, run.device, run.engine, run.deployment), asked(**load))
    if figures.sentence or figures.output_rate is None:
        raise SymsimError(figures.sentence)
    gpus = run.load.get("decode_gpus", figures.gpus)
    values = {
        "tpot_s": figures.tpot,
        "ttft_s": figures.ttft["mean"],
        "output_tok_s_per_gpu": figures.output_rate / gpus,
    }
    ends = {"tpot_s": "tpot_s.mean", "ttft_s": "ttft_s.mean", "output_tok_s_per_gpu": "output_tok_per_s_per_gpu"}
    full = tuple(name for name, share in figures.load.items() if share > _SATURATED)
    return [
        Compared(run, name, measured, value, figures.intervals.get(ends[name]), full)
        for name, measured in run.measured.items()
        if (value := values[name]) is not None
    ]


@lru_cache(maxsize=64)
def _compiled(model: str, device: str, engine: str, deployment: tuple[tuple[str, Any], ...]) -> Compiled:
    return compile_model(model, device, Deployment(**dict(deployment), engine=engine), "calibrated", LATEST)


def summary(found: Sequence[Compared]) -> Iterator[str]:
    """Median, p90 and bias of each metric of each table."""
    for key in sorted({(one.run.table, one.metric) for one in found}):
        errors = [one.error for one in found if (one.run.table, one.metric) == key]
        sizes = sorted(map(abs, errors))
        p90 = sizes[min(len(sizes) - 1, math.ceil(0.9 * len(sizes)) - 1)]
        middle = f"median {statistics.median(sizes):.1%}, p90 {p90:.1%}, bias {statistics.median(errors):+.1%}"
        yield f"{' '.join(key)}: {len(errors)} rows, {middle}"


def main(words: Sequence[str] | None = None) -> int:
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("file", type=Path)
    ask.add_argument("--split", default="check")
    ask.add_argument("--table", choices=["apart", "drafts"])
    ask.add_argument("--json", type=Path)
    given = ask.parse_args(words)
    runs = [run for run in read_served(given.file) if run.split == given.split]
    runs = [run for run in runs if given.table is None or run.table.endswith(given.table)]
    found, refused = compared(runs)
    print("\n".join(summary(found)))
    for sentence, count in refused.most_common(8):
        print(f"{count} refused: {sentence}")
    if given.json is not None:
        rows = [
            {"file": one.run.place.partition(":")[0], "row": one.run.place.partition(":")[2], "metric": one.metric}
            | {"measured": one.measured, "predicted": one.predicted, "saturated": one.saturated, "setup": one.run.setup}
            | {"load": dict(one.run.load), "table": one.run.table, "interval": one.interval, "engine": one.run.engine}
            for one in found
        ]
        given.json.write_text(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
