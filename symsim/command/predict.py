"""symsim predict: what users of a deployment see under load, on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from symsim.algebra.units import format_quantity, format_range
from symsim.api.prediction import Prediction
from symsim.command.flags import add_json, write_answer
from symsim.command.request_options import add_requests, add_together
from symsim.command.subject import add_subject, compiled
from symsim.errors import SymsimError
from symsim.render.terminal import write_words
from symsim.serving.prediction import Figures
from symsim.serving.sentences import load_in_words

_NUMBERS = ("rate", "concurrency", "prefix_hit")
_WORDS = ("isl", "osl", "acceptance", "queue", "price", "prefill", "decode")
_WHOLE = ("budget", "drafts", "max_running", "prompts")


def add(commands: Any) -> None:
    ask = commands.add_parser("predict", help="requests under load: TTFT, TPOT, throughput, what limits them")
    add_subject(ask)
    add_requests(ask, required=True)
    ask.add_argument("--exclusive-prefill", action="store_true", help="prefill and decode never in one iteration")
    words = "requests of a benchmark whose clients start at once; without it, a loop that goes on"
    ask.add_argument("--prompts", type=int, metavar="N", help=words)
    ask.add_argument("--queue", metavar="NAME", help="form of the wait before prefill workers; see list forms")
    ask.add_argument("--interval", type=float, default=0.9, metavar="0.9", help="level of intervals")
    add_together(ask)
    ask.set_defaults(prefix_hit=0.0, drafts=0)
    add_json(ask)
    ask.set_defaults(command=_predict)


def _predict(*, json: bool, **options: Any) -> int:
    names = ("isl", "osl", "interval", "together", "exclusive_prefill", *_NUMBERS, *_WORDS, *_WHOLE)
    asked = {name: options.pop(name) for name in dict.fromkeys(names)}
    if (asked["rate"] is None) == (asked["concurrency"] is None):
        raise SymsimError("requests arrive by a rate or by a concurrency; state one of --rate and --concurrency")
    found = compiled(options).predict(**asked)
    if json:
        write_answer(found.as_dict(), found.figures.sentence)
    else:
        for line in _screen(found):
            write_words(line)
    return 1 if found.figures.sentence else 0


_BAR = 30


def _screen(found: Prediction) -> Iterator[str]:
    """What a person reads: figures, what limits, where time and memory go, what was assumed."""
    figures = found.figures
    yield found.compiled.subject
    if found.ask.prefill is not None and found.ask.decode is not None:
        kinds = {"prefill": found.ask.prefill, "decode": found.ask.decode}
        yield ", ".join(
            f"{count} {kind} worker{'s' if count > 1 else ''} of {each or 'one GPU'}"
            for kind, (count, each) in kinds.items()
        )
    yield ""
    if figures.sentence:
        yield f"no answer: {figures.sentence}"
        if figures.helps:
            yield f"  {figures.helps}"
    else:
        yield from _served(found)
    yield ""
    yield from _memory(figures, found.ask.prefill is not None)
    if figures.time:
        yield f"time of {_ITERATIONS[found.ask.prefill is not None, found.ask.exclusive_prefill]}"
        yield from _bars(figures.time, sum(figures.time.values()), "1")
        yield from _advice(figures.time)
    yield ""
    yield from (f"assumed: {sentence}" for sentence in figures.assumptions)
    said = (figures.sentence, figures.helps)
    yield from (f"note: {sentence}" for sentence in figures.warnings if sentence not in said)


_ITERATIONS = {
    (False, False): "an iteration",
    (False, True): "an iteration that decodes",
    (True, False): "an iteration of decode workers",
    (True, True): "an iteration of decode workers",
}
"""Whose time is told, by whether workers are apart and whether prefill is exclusive."""


def _served(found: Prediction) -> Iterator[str]:
    figures = found.figures
    ttft = {name: _time(value) for name, value in figures.ttft.items()}
    reach = _reach(figures, "ttft_s.mean")
    yield f"TTFT   {ttft['mean']} mean{reach}"
    yield f"       p50 {ttft['p50']}, p90 {ttft['p90']}, p99 {ttft['p99']}"
    if figures.tpot is not None:
        reach = _reach(figures, "tpot_s.mean")
        yield f"TPOT   {_time(figures.tpot)} mean{reach}: {1 / figures.tpot:.4g} tokens/s a user"
        yield f"ITL    p50 {_time(figures.itl['p50'])}, p99 {_time(figures.itl['p99'])}"
    yield f"E2E    {_time(figures.e2e)} from request to last token"
    on = "the one GPU" if figures.gpus == 1 else f"each of {figures.gpus:,} GPUs"
    served = f"{figures.request_rate:.4g} requests/s, {figures.output_rate:,.0f} output tokens/s"
    yield f"serves {served}: {figures.per_gpu:,.0f} on {on}"
    held = f"{figures.memory['kv_tokens']:,.0f} tokens of cache"
    yield f"runs   {figures.running:.4g} sequences at once on an engine, which holds {held}"
    yield f"load   {load_in_words(figures.load)}"
    yield f"bound  by {', '.join(figures.binding)}"
    if figures.helps:
        yield f"helps  {figures.helps}"
    if figures.power is not None and figures.energy is not None:
        watts = f"{_ends(figures, 'power_w', 'W')} a GPU"
        yield f"power  {watts}; {_ends(figures, 'joule_per_output_token', 'J')} an output token"
    if figures.cost is not None:
        yield f"cost   {_ends(figures, 'cost_per_million_output_tokens', '$')} a million output tokens"


def _reach(figures: Figures, name: str) -> str:
    """Between which times a figure is, at the level that was asked for; empty where nothing is known of it."""
    low, high = figures.intervals.get(name, (None, None))
    return "" if low is None or high is None else f" ({format_range(low, high, 's')}, {figures.level:.0%})"


def _ends(figures: Figures, name: str, unit: str) -> str:
    """A figure and, where it is not one number, its range."""
    value = figures.as_dict()[name]
    low, high = figures.intervals[name]
    reach = "" if low == high else f" ({format_range(low, high, unit)})"
    return f"{format_quantity(value, unit, 3)}{reach}"


def _time(value: float | None) -> str:
    return "-" if value is None else format_quantity(value, "s", 3)


def _memory(figures: Figures, apart: bool) -> Iterator[str]:
    """What fills a GPU, and what it lacks, as shares of what it has."""
    amounts = {name: value or 0.0 for name, value in figures.memory.items() if name != "kv_tokens"}
    capacity = sum(amounts.values())
    if amounts["free"] < 0:
        amounts["lacks"] = -amounts.pop("free")
    yield f"memory of a GPU{' of decode workers' if apart else ''}, of {format_quantity(capacity, 'B', 3)}"
    yield from _bars({name: value for name, value in amounts.items() if value > 0}, capacity, "B")


def _bars(parts: Mapping[str, float], whole: float, unit: str) -> Iterator[str]:
    for name, value in parts.items():
        share = value / whole if whole else 0.0
        bar = "#" * min(_BAR, max(1, round(_BAR * share)))
        shown = f"{share:.0%}" if unit == "1" else f"{format_quantity(value, unit, 3)}, {share:.0%}"
        yield f"  {name:14} {bar:{_BAR}} {shown}"


def _advice(shares: Mapping[str, float]) -> Iterator[str]:
    known = {name: share for name, share in shares.items() if name != "fixed times"}
    if known:
        first = max(known, key=lambda name: known[name])
        yield f"  10 % more of {first} would make an iteration {known[first] * (1 - 1 / 1.1):.1%} shorter"
