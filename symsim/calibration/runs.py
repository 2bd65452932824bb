"""Measured runs of engines: what was served by what, how long it took, and the files that people keep them in."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from symsim.errors import DataError
from symsim.paths import display_path, read_text

_METRICS = ("tpot_s", "ttft_s", "output_tok_s_per_gpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. table: what it is kept in; load: what `predict` is asked for; measured: metric -> SI value; setup: runs
    of one are left out together; split: fit or check, empty where nothing is kept apart; place: file and row; own:
    whether the engine itself ran, not another with a server of its own, for which its times stand."""

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
        runs = _from_json(path, stated) if path.suffix in _JSON else _from_csv(path, stated)
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

_WAVES = 5
"""Requests for each place of a closed loop below which a run is a burst."""


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
        if row["served"].startswith("/") or float(row["requests"]) < _WAVES * float(row["max_concurrency"]):
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


def _positive(**measured: float) -> dict[str, float]:
    """What was measured; of a few runs a metric is missing, and stands as zero."""
    return {name: value for name, value in measured.items() if value > 0}


_TABLES = (
    ({"disaggregated", "decode_tp", "median_tpot_s"}, _inferencex),
    ({"max_batched_tokens", "measured_itl_mean_ms"}, _vllm),
    ({"served", "max_concurrency", "median_tpot_ms"}, _gpustack),
)
"""Columns that tell a table that ships, and its reader."""

_LOAD = {"isl": int, "osl": int, "concurrency": int, "rate": float, "budget": int, "max_running": int}


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
        yield _run(place, load, measured, stated)


def _run(place: str, load: Mapping[str, Any], measured: Mapping[str, float], stated: Mapping[str, Any]) -> Run:
    """Runs of equal lengths are a set-up."""
    setup = f"{load['isl']}/{load['osl']}"
    return Run(table="own", place=place, load=load, measured=measured, setup=setup, **stated)


def _from_json(path: Path, stated: Mapping[str, Any]) -> list[Run]:
    """What `vllm bench serve --save-result`, `sglang.bench_serving`, genai-perf and aiperf write, one or several."""
    text, where = read_text(path), display_path(path)
    try:
        data: Any = json.loads(text)
    except ValueError:
        try:
            data = [json.loads(line) for line in text.splitlines() if line.strip()]  # sglang appends a line a run
        except ValueError as error:
            raise DataError(f"{where}: not JSON: {error}") from None
    documents = cast(list[Any], data if isinstance(data, list) else [data])
    return [_benchmark(document, f"{where}:{number}", stated) for number, document in enumerate(documents, 1)]


def _benchmark(data: Any, place: str, stated: Mapping[str, Any]) -> Run:
    if not isinstance(data, dict):
        raise DataError(f"{place}: expected what a benchmark of an engine writes, found {type(data).__name__}")
    found = cast(dict[str, Any], data)
    if "output_sequence_length" in found or "time_to_first_token" in found:
        return _run(place, *_perf(found, place), stated)
    done = float(found.get("completed") or found.get("num_prompts") or 0)
    inputs, outputs = (
        found.get("total_input_tokens", found.get("total_input")),
        found.get("total_output_tokens", found.get("total_output")),
    )
    concurrency, rate = found.get("max_concurrency"), found.get("request_rate")
    if not done or inputs is None or outputs is None or (concurrency is None and rate in (None, "inf", math.inf)):
        raise DataError(
            f"{place}: a benchmark's result has completed, total_input_tokens, total_output_tokens, and one of "
            "max_concurrency and request_rate"
        )
    load: dict[str, Any] = {"isl": round(float(inputs) / done), "osl": round(float(outputs) / done)}
    load |= {"concurrency": int(concurrency)} if concurrency is not None else {"rate": float(cast(Any, rate))}
    names = {"tpot_s": "mean_tpot_ms", "ttft_s": "mean_ttft_ms"}
    measured = {metric: float(found[name]) / 1e3 for metric, name in names.items() if found.get(name)}
    return _run(place, load, measured, stated)


def _perf(found: Mapping[str, Any], place: str) -> tuple[dict[str, Any], dict[str, float]]:
    """genai-perf and aiperf: a table of statistics a metric, and what was asked for under `input_config`."""

    def mean(name: str) -> float | None:
        row = found.get(name)
        return float(row["avg"]) / (1e3 if row.get("unit") == "ms" else 1) if isinstance(row, dict) else None

    asked = cast(Mapping[str, Any], found.get("input_config", {}))
    stimulus = asked.get("perf_analyzer", {}).get("stimulus", {}) or asked.get("loadgen", {})
    concurrency, rate = stimulus.get("concurrency", asked.get("concurrency")), stimulus.get("request_rate")
    isl, osl = mean("input_sequence_length"), mean("output_sequence_length")
    if isl is None or osl is None or (concurrency is None and rate is None):
        raise DataError(
            f"{place}: found no mean lengths, or neither a concurrency nor a request_rate, in this result of "
            "genai-perf or aiperf"
        )
    load: dict[str, Any] = {"isl": round(isl), "osl": round(osl)}
    load |= {"rate": float(rate)} if concurrency is None else {"concurrency": int(concurrency)}
    measured = {"ttft_s": mean("time_to_first_token"), "tpot_s": mean("inter_token_latency")}
    return load, {name: value for name, value in measured.items() if value}
