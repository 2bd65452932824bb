"""A prediction: what users of a deployment see, what limits it, what it costs, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from symsim.formula.interval import of_level, widened
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.serving.aggregated import Deployed, deployed, served
from symsim.serving.ask import Ask, worker_deployment
from symsim.serving.disaggregated import Disaggregated, served_apart
from symsim.serving.engines import Served
from symsim.serving.outcome import Outcome, applied
from symsim.serving.power import Range, power_of
from symsim.serving.price import rent_of
from symsim.serving.resources import binding, shares_of_time
from symsim.serving.sentences import assumptions, warnings
from symsim.serving.sureness import sureness
from symsim.tables.coefficients import spellings

_Numbers = dict[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of everything that is deployed, in SI units; None where there is no answer, as `sentence` and warnings say.

    load: what is loaded -> its share; memory: bytes of one GPU; intervals: figure -> (low, high) at `level`;
    time: resource -> its share of a mean iteration; served: the forms behind it; helps: what would serve requests that
    are not served, or wait for room in the cache, which is among the warnings, too.
    """

    ttft: _Numbers
    tpot: float | None
    itl: _Numbers
    e2e: float | None
    request_rate: float | None
    output_rate: float | None
    gpus: int
    input_length: float
    running: float | None
    load: Mapping[str, float]
    memory: Mapping[str, float | None]
    power: float | None = None
    energy: float | None = None
    cost: float | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    level: float = 0.9
    binding: tuple[str, ...] = ()
    time: Mapping[str, float] = field(default_factory=dict[str, float])
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sentence: str = ""
    helps: str = ""
    served: Served = field(default_factory=Served)

    @property
    def per_gpu(self) -> float | None:
        """Output tokens per second and GPU."""
        return None if self.output_rate is None else self.output_rate / self.gpus

    @property
    def users(self) -> float | None:
        """Requests in the system, by Little's law."""
        return None if self.request_rate is None or self.e2e is None else self.request_rate * self.e2e

    @property
    def total_per_gpu(self) -> float | None:
        """Input and output tokens per second and GPU."""
        if self.output_rate is None or self.request_rate is None:
            return None
        return (self.output_rate + self.request_rate * self.input_length) / self.gpus

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, unrounded."""
        return {
            "ttft_s": self.ttft,
            "tpot_s": {"mean": self.tpot},
            "itl_s": self.itl,
            "e2e_s": {"mean": self.e2e},
            "request_per_s": self.request_rate,
            "output_tok_per_s": self.output_rate,
            "output_tok_per_s_per_gpu": self.per_gpu,
            "total_tok_per_s_per_gpu": self.total_per_gpu,
            "running": self.running,
            "load": dict(self.load),
            "memory": dict(self.memory),
            "power_w": self.power,
            "joule_per_output_token": self.energy,
            "cost_per_million_output_tokens": self.cost,
            "intervals": {name: list(ends) for name, ends in self.intervals.items()},
            "level": self.level,
            "binding": list(self.binding),
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
        }


def predicted(compiled: Compiled, ask: Ask, *, sure: bool = True) -> Figures:
    """What a compiled model serves of these requests; prefill and decode apart where the ask says so.

    sure: whether to say how far off times may be, which takes longer than the times.
    """
    figures, last = _of_ask(compiled, ask)
    return _with_intervals(figures, last) if sure and not figures.sentence else figures


def predicted_apart(apart: Disaggregated) -> Figures:
    """The same of workers that are compiled already, with the ask that both sides have."""
    figures = _figures(apart.prefill.ask, served_apart(apart), apart.sides, apart.engines)
    return figures if figures.sentence else _with_intervals(figures, apart.decode)


def _of_ask(compiled: Compiled, ask: Ask) -> tuple[Figures, Deployed]:
    if ask.prefill is None or ask.decode is None:
        one = deployed(compiled, ask)
        gpus = compiled.deployment.world_size * ask.copies
        return _figures(ask, served(one), ((gpus, one),), one.engines), one
    apart = Disaggregated(x=ask.prefill[0], y=ask.decode[0], **workers(compiled, ask))
    return _figures(ask, served_apart(apart), apart.sides, apart.engines), apart.decode


def workers(compiled: Compiled, ask: Ask) -> dict[str, Deployed]:
    """One worker of each kind, `prefill` and `decode`, where they are apart."""
    stated = {"prefill": ask.prefill, "decode": ask.decode}
    return {kind: deployed(_worker(compiled, side[1]), ask) for kind, side in stated.items() if side is not None}


@lru_cache(maxsize=64)
def _worker(compiled: Compiled, text: str) -> Compiled:
    """The model on one worker, with step functions that are made once."""
    return compiled_as(compiled, worker_deployment(text, compiled.asked))


def _figures(ask: Ask, found: Served, counted: Sequence[tuple[int, Deployed]], engines: int) -> Figures:
    """The figures of all engines from those of one; a disaggregated rate is of all already. counted: the GPUs of each
    side, and what they run."""
    gpus, sides = sum(count for count, _ in counted), [side for _, side in counted]
    last = sides[-1]
    stated: dict[str, Any] = {
        "assumptions": assumptions(ask, sides, served=found.solved),
        "level": ask.level,
        "input_length": ask.isl.mean,
        "gpus": gpus,
    }
    if not found.solved:
        return _unserved(found, last, stated, warnings(ask, sides, found))
    values, answers = found.values, ask.osl.mean > 1
    apart = len(sides) > 1
    rate = ask.rate or values["rate"] * (1 if apart else engines)
    tpot = values.get("tpot_mean") if answers else None
    running = values.get("rows", 0.0) if answers else 0.0
    figures = Figures(
        **stated,
        ttft={name: values.get(f"ttft_{name}") for name in ("mean", "p50", "p90", "p99")},
        tpot=tpot,
        itl={name: values.get(f"itl_{name}") if answers else None for name in ("p50", "p99")},
        e2e=values["ttft_mean"] + (ask.osl.mean - 1) * (tpot or 0.0),
        request_rate=rate,
        output_rate=rate * ask.osl.mean,
        running=running,
        load=found.load,
        memory=last.room.filled(running, last.layout),
        binding=binding(found, last, running),
        time=shares_of_time(last, found),
        warnings=warnings(ask, sides, found),
        served=found,
    )
    return _with_expenses(figures, ask, counted)


def _unserved(found: Served, last: Deployed, stated: Mapping[str, Any], warned: Sequence[str]) -> Figures:
    """No figures where nothing is served, and the sentence that says why."""
    return Figures(
        **stated,
        **dict.fromkeys(("tpot", "e2e", "request_rate", "output_rate", "running")),
        ttft=dict.fromkeys(("mean", "p50", "p90", "p99")),
        itl=dict.fromkeys(("p50", "p99")),
        load={},
        memory=last.room.filled(0.0, last.layout),
        binding=("capacity",),
        sentence=found.sentence,
        warnings=(found.sentence, *warned),
        served=found,
    )


def _with_expenses(figures: Figures, ask: Ask, counted: Sequence[tuple[int, Deployed]]) -> Figures:
    """Power, energy of a token and cost, each with its range."""
    power, rent = power_of(counted, figures.served), rent_of(counted, ask.price)
    ranges: dict[str, Range] = {} if power is None else {"power_w": power}
    if power is not None and figures.output_rate:
        known = {"gpus": figures.gpus, "pue": 1.0, "token_rate": figures.output_rate}
        ranges["joule_per_output_token"] = _each(power, lambda one: applied("token_energy", {**known, "power": one}))
    if rent is not None and figures.request_rate:
        known = {"gpus": figures.gpus, "rate": figures.request_rate, "O": ask.osl.mean}
        cost = _each(rent, lambda one: applied("token_cost", {**known, "price": one}))
        ranges["cost_per_million_output_tokens"] = cost
    power, energy, cost = (ranges.get(name, (None,))[0] for name in _EXPENSES)
    spread = {name: ends[1:] for name, ends in ranges.items()}
    return replace(figures, power=power, energy=energy, cost=cost, intervals={**figures.intervals, **spread})


_EXPENSES = ("power_w", "joule_per_output_token", "cost_per_million_output_tokens")


def _each(ends: Range, of: Callable[[float], Outcome]) -> Range:
    value, low, high = (of(one).value or 0.0 for one in ends)
    return value, low, high


def _with_intervals(figures: Figures, last: Deployed) -> Figures:
    """Bands: the error of the forms that was measured at this load, that of kernels and of running engines, and the
    lockstep of a closed loop."""
    forms = figures.served.forms
    sure = sureness(last, figures.served, figures.level)
    times = {"ttft_s.mean": figures.ttft["mean"], "tpot_s.mean": figures.tpot}
    names = {
        "ttft_s.mean": ("mixed_ttft", "wait", "closed_ttft", "slot_wait"),
        "tpot_s.mean": ("mixed_tpot", "decode_tpot", "exclusive_tpot", "closed_tpot"),
    }
    found: dict[str, tuple[float, float]] = {}
    for figure, value in times.items():
        errors = [forms[name].error or 0.0 for name in names[figure] if name in forms]
        if value is not None:
            found[figure] = _banded(value, max([*errors, _LEAST]), sure[figure])
    if figures.per_gpu is not None:
        closed = last.ask.rate is None  # an open loop serves what comes, whatever it takes
        found[_OUTPUT] = _banded(figures.per_gpu, _LEAST if closed else 0.0, sure[_OUTPUT] if closed else (1.0, 1.0))
    locked = figures.served.letters.get("locked")
    if locked is not None and "ttft_s.mean" in found and "closed_tpot" in forms:
        low, high = found["ttft_s.mean"]
        found["ttft_s.mean"] = (low, max(high, locked + figures.served.letters.get("W_slot", 0.0)))
    if "handed_tpot" in forms and last.compiled.fitted is not None:
        found = _apart(figures, found)
    return replace(figures, intervals={**found, **figures.intervals})


def _apart(figures: Figures, found: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Of workers apart, whose measured runs are farther off than those of engines that do both."""
    known, wider = spellings()["apart"], dict(found)
    for figure, value, factors in (("tpot_s.mean", figures.tpot, "tpot"), (_OUTPUT, figures.per_gpu, "output")):
        if value is not None and figure in found and found[figure][0] < found[figure][1]:
            wider[figure] = widened(value, found[figure], of_level(tuple(known[factors]), figures.level))
    low, high = found["ttft_s.mean"]
    return {**wider, "ttft_s.mean": (low, high + known["first"])}


def _banded(value: float, percent: float, factors: tuple[float, float]) -> tuple[float, float]:
    """A band of so many percent either way, and independently of it by factors."""
    return widened(value, (value * (1 - percent / 100), value * (1 + percent / 100)), factors)


_OUTPUT = "output_tok_per_s_per_gpu"

_LEAST = 1.0
"""Percent: no form was found to be closer to the simulation than its noise."""
