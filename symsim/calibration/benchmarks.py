"""What benchmarks of serving engines write: lengths, load, and what they measured."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from symsim.errors import DataError
from symsim.paths import display_path, read_text

WAVES = 5
"""Requests for each place of a closed loop below which a run is a burst."""

_DRAFTED = ("spec_decode_acceptance_length", "spec_decode_acceptance_rate", "accept_length")
"""What vLLM's and SGLang's benchmarks write where an engine drafts."""

_FAILED = 0.05
"""Share of requests without an answer above which a run has another load than it states."""


def _unlike(*, done: float, failed: float, concurrency: float | None, rate: Any, accepted: Any) -> str:
    """Why a benchmark is not what a prediction is of; empty where it is. accepted: mean length, or share, of drafts."""
    if accepted:
        return "tokens were drafted, of which `fit` knows nothing; measure without"
    if failed > _FAILED * (done + failed):
        return f"more than {_FAILED:.0%} of the requests failed"
    if concurrency is not None and _limited(rate):
        return "request_rate and max_concurrency were both limited, so that it is neither an open nor a closed loop"
    if concurrency is not None and 0 < done < WAVES * concurrency:
        return f"fewer than {WAVES} requests for each of those at once: a burst rather than a closed loop; send ten"
    return ""


def _limited(rate: Any) -> bool:
    """Whether arrivals were spread over time: benchmarks write an infinite rate where they were not."""
    return rate not in (None, "inf", math.inf)


Benchmark = tuple[str, Mapping[str, Any], Mapping[str, float], str]
"""File and number of a result; load; metric -> SI value; why it is not what a prediction is of, empty where it is."""


def read_benchmarks(path: Path) -> list[Benchmark]:
    """What `vllm bench serve --save-result`, `sglang.bench_serving`, genai-perf and aiperf write, one or several.

    Raises DataError for a file that is none, and what a cast raises where a figure is none.
    """
    text, where = read_text(path), display_path(path)
    try:
        data: Any = json.loads(text)
    except ValueError:
        try:
            data = [json.loads(line) for line in text.splitlines() if line.strip()]  # sglang appends a line a run
        except ValueError as error:
            raise DataError(f"{where}: not JSON: {error}") from None
    documents = cast(list[Any], data if isinstance(data, list) else [data])
    return [_benchmark(document, f"{where}:{number}") for number, document in enumerate(documents, 1)]


def _benchmark(data: Any, place: str) -> Benchmark:
    if not isinstance(data, dict):
        raise DataError(f"{place}: expected what a benchmark of an engine writes, found {type(data).__name__}")
    found = cast(dict[str, Any], data)
    if "output_sequence_length" in found or "time_to_first_token" in found:
        return place, *_perf(found, place)
    done = float(found.get("completed") or found.get("num_prompts") or 0)
    inputs, outputs = (
        found.get("total_input_tokens", found.get("total_input")),
        found.get("total_output_tokens", found.get("total_output")),
    )
    concurrency, rate = found.get("max_concurrency"), found.get("request_rate")
    if not done or inputs is None or outputs is None or (concurrency is None and not _limited(rate)):
        raise DataError(
            f"{place}: a benchmark's result has completed, total_input_tokens, total_output_tokens, and one of "
            "max_concurrency and request_rate"
        )
    load: dict[str, Any] = {"isl": round(float(inputs) / done), "osl": round(float(outputs) / done)}
    load |= {"concurrency": int(concurrency)} if concurrency is not None else {"rate": float(cast(Any, rate))}
    names = {"tpot_s": "mean_tpot_ms", "ttft_s": "mean_ttft_ms"}
    measured = {metric: float(found[name]) / 1e3 for metric, name in names.items() if found.get(name)}
    drafted = next((found[name] for name in _DRAFTED if found.get(name)), None)
    failed = float(found.get("failed") or 0)
    unlike = _unlike(done=done, failed=failed, concurrency=concurrency, rate=rate, accepted=drafted)
    return place, load, measured, unlike


def _perf(found: Mapping[str, Any], place: str) -> tuple[dict[str, Any], dict[str, float], str]:
    """genai-perf and aiperf: a table of statistics a metric, and what was asked for under `input_config`; load, what
    was measured, and why it is not what a prediction is of."""

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
    unlike = _unlike(
        done=mean("request_count") or 0,
        failed=mean("error_request_count") or 0,
        concurrency=concurrency,
        rate=rate,
        accepted=None,
    )
    return load, {name: value for name, value in measured.items() if value}, unlike
