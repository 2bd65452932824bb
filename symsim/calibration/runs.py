"""Measured runs of engines: what was served by what, how long it took, and the files that people keep them in."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from symsim.calibration.benchmarks import WAVES, read_benchmarks
from symsim.errors import DataError
from symsim.paths import display_path, read_text

_METRICS = ("tpot_s", "ttft_s", "output_tok_s_per_gpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. table: what it is kept in; load: what `predict` is asked for; measured: metric -> SI value; setup: runs
    of one are left out together; split: fit or check, empty where nothing is kept apart; place: file and row; own:
    whether the engine itself ran, not another with a server of its own, for which its times stand; unlike: why it is
    not what a prediction is of, empty where it is."""

    table: str
    place: str
    model: str
    device: str
    engine: str
    deployment: tuple[tuple[str, Any], ...]
    load: Mapping[str, Any]
    measured: Mapping[str, float]
    setup: str
    split: str = ""
    date: str = ""
    own: bool = True
    unlike: str = ""

    @property
    def compared(self) -> Mapping[str, float]:
        """What was measured of the engine itself: a server of its own decides the time to first token."""
        return self.measured if self.own else {name: one for name, one in self.measured.items() if name != "ttft_s"}


def newest(runs: Iterable[Run]) -> list[Run]:
    """Of one set-up and load measured on several dates, the newest."""
    found: dict[str, Run] = {}
    for run in runs:
        key = repr((run.table, run.setup, sorted(run.load.items()), "" if run.date else run.place))
        if key not in found or run.date >= found[key].date:
            found[key] = run
    return list(found.values())


_JSON = (".json", ".jsonl")
"""What benchmarks write; `sglang.bench_serving` appends a line a run."""


def read_runs(path: Path, *, model: str = "", device: str = "", engine: str = "", deployment: Any = ()) -> list[Run]:
    """The runs of a file: a table of those that ship, a CSV of `isl, osl, concurrency or rate` and what was measured,
    or the JSON that a benchmark wrote. The rest is what they were run on where the file does not say so.

    Raises DataError for a file that is none.
    """
    stated = {"model": model, "device": device, "engine": engine, "deployment": tuple(deployment)}
    try:
        found = read_benchmarks(path) if path.suffix in _JSON else None
        runs = _from_csv(path, stated) if found is None else [_run(*one[:3], stated, one[3]) for one in found]
    except (ArithmeticError, AttributeError, csv.Error, LookupError, TypeError, ValueError) as error:
        why = f"no column {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{display_path(path)}: a row is not what its columns say: {why}; expected numbers") from None
    for run in runs:
        figures = {**{name: one for name, one in run.load.items() if name != "prefix_hit"}, **run.measured}
        wrong = next((name for name, one in figures.items() if not 0 < one < math.inf), None)
        if not run.measured:
            raise DataError(f"{run.place}: no time per output token, time to first token or throughput was measured")
        if wrong is not None:
            raise DataError(f"{run.place}: {wrong} = {figures[wrong]:g}; expected a finite number above 0")
    return runs


def _from_csv(path: Path, stated: Mapping[str, Any]) -> list[Run]:
    rows = list(csv.DictReader(read_text(path).splitlines()))
    for known, read in _TABLES:
        if rows and known <= set(rows[0]):
            return list(read(rows, path.name))
    return list(_plain(rows, path, stated))


_ENGINES = {"atom": "sglang", "trt": "trtllm", "mindie": "vllm"}
"""Engines of the tables -> whose times and kernels stand for theirs."""

OTHERS = ("atom", "mindie")
"""Those of them that are engines of their own, with a server of their own."""

_DEVICES = {"A100": "a100-80"}


def _inferencex(rows: Iterable[Mapping[str, str]], file: str) -> Iterator[Run]:
    """Closed loops of DeepSeek-R1; lengths are uniform from 0.8 to 1 of what is stated."""
    for number, row in enumerate(rows, 2):
        known = row["disaggregated"] == "0" and row["spec"] == "none" and row["isl"] and row["median_tpot_s"]
        if not known or (row["device"].startswith("mi") and row["precision"] == "fp4"):
            continue
        tp, ep = int(row["decode_tp"]), int(row["decode_ep"])
        replicas = "dp" if row["decode_dp_attention"] == "1" else "tp"
        load = {"isl": round(0.9 * int(row["isl"])), "osl": round(0.9 * int(row["osl"]))}
        measured = {"tpot_s": row["median_tpot_s"], "ttft_s": row["median_ttft_s"]}
        measured["output_tok_s_per_gpu"] = row["output_tok_s_per_gpu"]
        fixed = (row["device"], row["engine"], row["precision"], replicas, tp, ep, row["isl"], row["osl"])
        yield Run(
            table="inferencex",
            place=f"{file}:{number}",
            model="deepseek-v3" if row["precision"] == "fp8" else "deepseek-v3.1-nvfp4",
            device=row["device"],
            engine=_ENGINES.get(row["engine"], row["engine"]),
            deployment=((replicas, tp), ("ep", ep)),
            load={**load, "concurrency": int(row["concurrency"])},
            measured={name: float(value) for name, value in measured.items() if value},
            setup=" ".join(map(str, fixed)),
            split=row["split"],
            date=row["date"],
            own=row["engine"] not in OTHERS,
        )


def _vllm(rows: Iterable[Mapping[str, str]], file: str) -> Iterator[Run]:
    """Open loops of vLLM on H100."""
    for number, row in enumerate(rows, 2):
        load = {"isl": int(row["isl"]), "osl": int(row["osl"]), "rate": float(row["rate_per_s"])}
        load |= {"budget": int(row["max_batched_tokens"]), "max_running": int(row["max_num_seqs"])}
        load["prefix_hit"] = round(int(row["shared_prefix"]) / int(row["isl"]), 4)
        yield Run(
            table="vllm",
            place=f"{file}:{number}",
            model=row["model"],
            device="h100",
            engine="vllm",
            deployment=(("tp", int(row["tp"])),),
            load=load,
            measured={
                "tpot_s": float(row["measured_itl_mean_ms"]) / 1e3,
                "ttft_s": float(row["measured_ttft_mean_ms"]) / 1e3,
            },
            setup=f"{row['model']} tp {row['tp']} {row['isl']}/{row['osl']}",
            split=row["split"],
        )


def _gpustack(rows: Iterable[Mapping[str, str]], file: str) -> Iterator[Run]:
    """Closed loops of several engines; runs of few waves, where all requests are sent at once, are left out."""
    for number, row in enumerate(rows, 2):
        if not row["max_concurrency"] or row["speculative"] or row["device"] == "910B" or "/" not in row["served"]:
            continue
        if row["served"].startswith("/") or float(row["requests"]) < WAVES * float(row["max_concurrency"]):
            continue
        if 0 < float(row["median_tpot_ms"]) < _FASTEST:
            continue
        tp, dp = int(row["tp"]), int(row["dp"] or 1)
        deployment: dict[str, Any] = {"tp": 1, "dp": tp} if row["dp_attention"] == "1" else {"tp": tp, "dp": dp}
        if row["ep"]:
            deployment["ep"] = tp * dp if row["ep"] == "tp*dp" else int(row["ep"])
        if row["kv_dtype"].startswith("fp8"):
            deployment["kv"] = "fp8"
        load: dict[str, Any] = {
            "isl": max(1, round(float(row["mean_isl"]))),
            "osl": max(2, round(float(row["mean_osl"]))),
        }
        load["concurrency"] = max(1, round(float(row["max_concurrency"])))
        load |= {"max_running": int(row["max_running"])} if row["max_running"] else {}
        load |= {"budget": int(row["chunk"])} if row["chunk"] else {}
        yield Run(
            table="gpustack",
            place=f"{file}:{number}",
            model=row["served"],
            device=_DEVICES.get(row["device"], row["device"].lower()),
            engine=_ENGINES.get(row["engine"], row["engine"]),
            deployment=tuple(deployment.items()),
            load=load,
            measured=_positive(tpot_s=float(row["median_tpot_ms"]) / 1e3, ttft_s=float(row["median_ttft_ms"]) / 1e3),
            setup=" ".join((row["served"], row["device"], row["engine"], str(deployment))),
            split=row["split"],
            own=row["engine"] not in OTHERS,
        )


_FASTEST = 0.5
"""Milliseconds that an output token takes at least without drafts: HBM is not read faster. Less was written of clients
that got many tokens in one piece."""


def _positive(**measured: float) -> dict[str, float]:
    """What was measured; of a few runs a metric is missing, and stands as zero."""
    return {name: value for name, value in measured.items() if value > 0}


_TABLES = (
    ({"disaggregated", "decode_tp", "median_tpot_s"}, _inferencex),
    ({"max_batched_tokens", "measured_itl_mean_ms"}, _vllm),
    ({"served", "max_concurrency", "median_tpot_ms"}, _gpustack),
)
"""Columns that tell a table that ships, and its reader."""

_LOAD = {
    "isl": int,
    "osl": int,
    "concurrency": int,
    "rate": float,
    "budget": int,
    "max_running": int,
    "prefix_hit": float,
}

_DEGREES = ("tp", "pp", "cp", "dp", "ep", "moe_tp", "dcp", "redundant_experts")
_FORMATS = ("gemm", "kv")
"""Columns of a CSV that say how a run was deployed."""


def _plain(rows: Iterable[Mapping[str, str]], path: Path, stated: Mapping[str, Any]) -> Iterator[Run]:
    """A CSV of one's own: lengths, concurrency or rate, and at least one of the metrics."""
    for number, row in enumerate(rows, 2):
        place = f"{display_path(path)}:{number}"
        load = {name: kind(float(row[name])) for name, kind in _LOAD.items() if row.get(name)}
        measured = {name: float(row[name]) for name in _METRICS if row.get(name)}
        if not {"isl", "osl"} <= set(load) or len({"concurrency", "rate"} & set(load)) != 1 or not measured:
            raise DataError(
                f"{place}: a run has isl, osl, one of concurrency and rate, and one of {', '.join(_METRICS)}"
            )
        if "rate" in load and set(measured) == {"output_tok_s_per_gpu"}:
            raise DataError(
                f"{place}: at a stated rate the throughput is that rate times osl whatever the engine takes; measure "
                "tpot_s or ttft_s"
            )
        yield _run(place, load, measured, _of_row(row, place, stated))


def _of_row(row: Mapping[str, str], place: str, stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a row was run on: as its columns say, and where they do not as is stated. Raises DataError where both do and
    say other things."""
    deployment = dict(stated["deployment"])
    known = {name: stated[name] for name in ("model", "device", "engine")} | deployment
    own = {name: row[name] for name in ("model", "device", "engine", *_FORMATS) if row.get(name)}
    own |= {name: int(row[name]) for name in _DEGREES if row.get(name)}
    for name, value in own.items():
        other = known.get(name, "")
        if other not in ("", None) and str(other).lower() != str(value).lower():
            raise DataError(f"{place}: the column {name} says {value}, but {other} is asked for; fit each with its own")
    found = {**known, **own}
    about = {name: found.pop(name) for name in ("model", "device", "engine")}
    return {**about, "deployment": tuple(found.items())}


def _run(
    place: str, load: Mapping[str, Any], measured: Mapping[str, float], stated: Mapping[str, Any], unlike: str = ""
) -> Run:
    """Runs of equal lengths are a set-up."""
    setup = f"{load['isl']}/{load['osl']}"
    return Run(table="own", place=place, load=load, measured=measured, setup=setup, unlike=unlike, **stated)
