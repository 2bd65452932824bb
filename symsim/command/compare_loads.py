"""symsim compare of requests under load: two devices, models, queues, or ways to serve, at the same arrivals."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.api.costs import Costs
from symsim.command.flags import write_json
from symsim.command.request_options import add_requests
from symsim.command.subject import compiled
from symsim.errors import SymsimError, did_you_mean
from symsim.language.query import LENGTH_FLAGS
from symsim.render.terminal import write_table, write_words
from symsim.serving.differences import LoadComparison, differences_of, load_crossings
from symsim.serving.forms import alternatives
from symsim.serving.points import METRICS, UNKNOWNS, key
from symsim.serving.prediction import Figures

WAYS = ("aggregated", "disaggregated", "exclusive")
"""How prompts are served: beside decodes, on workers of their own, or in iterations of their own."""

_OF_LOAD = ("isl", "osl", "rate", "concurrency", "budget", "prefix_hit", "drafts", "acceptance", "max_running", "price")
_WORKERS = ("prefill", "decode")


def add_load(ask: argparse.ArgumentParser) -> None:
    """The requests to compare under."""
    add_requests(ask, required=False)
    ask.add_argument("--queue", action="append", default=[], metavar="NAME", help="a form of the wait; two to compare")


def taken(options: dict[str, Any]) -> dict[str, Any]:
    """What is asked of requests, out of all options."""
    return {name: options.pop(name) for name in (*_OF_LOAD, *_WORKERS, "queue")}


def compare_loads(
    a: str | None,
    b: str | None,
    asked: Mapping[str, Any],
    subjects: Callable[[str], dict[str, Any]],
    *,
    metric: str,
    crossover: str | None,
    json: bool,
) -> int:
    """A and B: names of one kind, or two of --queue. subjects: name -> what is to be compiled."""
    names = (a, b) if a is not None and b is not None else tuple(asked["queue"])
    if len(names) != 2:
        raise SymsimError("compare two: A and B, or --queue NAME --queue NAME")
    served = [_served(name, asked, subjects) for name in names]
    figures = [at({}) for at in served]
    found = differences_of((names[0], names[1]), *figures)
    crossed = None if crossover is None else _crossed(served, crossover, metric, asked)
    if json:
        write_json(found.as_dict() | ({} if crossed is None else {"crossings": crossed}))
    else:
        _write(found)
        for at, smaller in crossed or []:
            print(f"{metric} of {smaller} is the smaller from {crossover} = {at:.6g} on")
        if crossed == []:
            print(f"{metric} of A and B do not cross in {crossover}")
    return 1 if all(one.sentence for one in figures) else 0


_Served = Callable[[Mapping[str, float]], Figures]


def _served(name: str, asked: Mapping[str, Any], subjects: Callable[[str], dict[str, Any]]) -> _Served:
    """Figures of one side at other values of the load."""
    ways, queues = name in WAYS, alternatives("wait")
    costs: Costs = compiled(subjects("" if ways or name in queues else name))
    given = {key: asked[key] for key in _OF_LOAD if asked[key] is not None}
    workers = {key: asked[key] for key in _WORKERS}
    queue: list[str] = asked["queue"]
    if name in queues and not ways:
        if None in workers.values():
            raise SymsimError(f"{name} is a form of the wait before prefill workers; state --prefill and --decode")
        given["queue"] = name
    elif len(queue) == 1:
        given["queue"] = queue[0]
    if name == "disaggregated" and None in workers.values():
        raise SymsimError("disaggregated serving has workers of both kinds; state --prefill and --decode")
    if name == "exclusive":
        given["exclusive_prefill"] = True
    if name not in ("aggregated", "exclusive"):
        given |= {key: value for key, value in workers.items() if value is not None}
    gpus = _gpus(costs, asked, given)

    def at(changes: Mapping[str, float]) -> Figures:
        how: dict[str, Any] = {**given, **{_FLAGS.get(name, name): value for name, value in changes.items()}}
        if "rate" in changes:
            how.pop("concurrency", None)
        if gpus and name in ("aggregated", "exclusive"):
            how["copies"] = gpus
        return costs.predict(how.pop("isl"), how.pop("osl"), **how).figures

    return at


def _gpus(costs: Costs, asked: Mapping[str, Any], given: Mapping[str, Any]) -> int:
    """As many copies of an engine as make up the GPUs of both kinds of workers; 0 where there are none to match."""
    if asked["prefill"] is None or asked["decode"] is None:
        return 0
    how = {key: value for key, value in given.items() if key not in ("exclusive_prefill", "queue", *_WORKERS)}
    apart = costs.predict(how.pop("isl"), how.pop("osl"), **how, prefill=asked["prefill"], decode=asked["decode"])
    each = costs.compiled.deployment.world_size
    if apart.gpus % each:
        raise SymsimError(f"{apart.gpus} GPUs of workers are no whole copies of {each}; state other workers or degrees")
    return apart.gpus // each


_FLAGS = {**{name: flag for flag, name in LENGTH_FLAGS.items()}, "hit": "prefix_hit"}


def _crossed(served: list[_Served], variable: str, metric: str, asked: Mapping[str, Any]) -> list[tuple[float, str]]:
    if key(metric) not in METRICS:
        raise SymsimError(f"requests have no metric {metric}; {did_you_mean(key(metric), METRICS)}")
    if variable not in UNKNOWNS or variable in ("B", "x", "y", "world_size"):
        known = ("rate", "concurrency", "S", "O", "budget", "hit", "acceptance")
        raise SymsimError(f"--crossover {variable}: expected one of {', '.join(known)}")
    unknown = UNKNOWNS[variable]
    here = float(asked.get(_FLAGS.get(variable, variable)) or 1)
    low, high = max(unknown.low, here / 32, 1e-3), min(unknown.high, here * 32)
    grid = [low * (high / low) ** (i / 40) for i in range(41)]
    whole = sorted({float(round(x)) for x in grid}) if unknown.whole else grid
    return load_crossings(lambda x: served[0]({variable: x}), lambda x: served[1]({variable: x}), key(metric), whole)


def _write(found: LoadComparison) -> None:
    write_words(f"A: {found.a}")
    write_words(f"B: {found.b}")
    print()
    rows = [
        (one.name, _cell(one.a, one.unit), _cell(one.b, one.unit), _change(one.a, one.b))
        for one in found.figures
        if one.a is not None or one.b is not None
    ]
    write_table(("", "A", "B", "change"), rows)
    for sentence in found.sentences:
        print()
        write_words(sentence)
    for quantity in dict.fromkeys(term.quantity for term in found.terms):
        terms = [term for term in found.terms if term.quantity == quantity]
        print(f"\n{quantity}: {terms[0].form_a} and {terms[0].form_b}, term by term")
        for term in terms:
            for side, text, value in (("A", term.written_a, term.a), ("B", term.written_b, term.b)):
                if text:
                    number = "" if value is None else f" = {value:.6g} {term.unit}".removesuffix(" 1")
                    print(f"  {side}  {term.name} = {text}{number}")


def _cell(value: float | None, unit: str) -> str:
    return "-" if value is None else format_quantity(value, unit, 4)


def _change(a: float | None, b: float | None) -> str:
    return f"{b / a - 1:+.1%}" if a and b is not None else ""
