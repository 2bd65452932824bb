"""Phases that are compiled, and their metrics: each worked out once for all deployments that decide alike."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

import sympy

from symsim.algebra.symbols import symbol
from symsim.cost.calibrated import KernelPlan
from symsim.cost.chunks import Chunks, in_chunks
from symsim.cost.derivation import Derivation
from symsim.cost.kernel_cost import Rates, costs
from symsim.cost.memory_steps import MemoryPlan
from symsim.cost.metric_table import Metric, metrics
from symsim.cost.metrics import derivation
from symsim.cost.priced_step import PricedStep, priced_phase
from symsim.formula.binding import Numbers, deciding_numbers
from symsim.model.lower import lower
from symsim.model.op_graph import Guard
from symsim.model.pipeline_stages import fullest_stages
from symsim.model.predicates import Decision, Values, guards_decision
from symsim.model.stored_formats import ServedModel


class Guarded(Protocol):
    """What holds under conditions."""

    @property
    def guards(self) -> tuple[Guard, ...]: ...


_Found = TypeVar("_Found", bound=Guarded)


class Compilations:
    """A bounded store that threads may share: key -> values, each with the conditions under which it holds.

    The key that was asked for longest ago is given up first.
    """

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, Lock()
        self._kept: OrderedDict[Hashable, tuple[Any, ...]] = OrderedDict()

    def find(self, key: Hashable, values: Values | None = None) -> Any | None:
        """The value of a key that holds for these numbers (None: whatever they are), or None."""
        with self._lock:
            known = self._kept.get(key, ())
            if known:
                self._kept.move_to_end(key)
        fitting = (guarded for guarded in reversed(known) if values is None or _decision(guarded)(values))
        value = next(fitting, None)
        if value is not None and value is not known[-1]:
            self._prefer(key, value)
        return value

    def _prefer(self, key: Hashable, value: Guarded) -> None:
        """Ask this one first the next time: deployments come in runs that decide alike."""
        with self._lock:
            known = self._kept.get(key, ())
            self._kept[key] = (*(other for other in known if other is not value), value)

    def keep(self, key: Hashable, value: _Found) -> _Found:
        """Keep a value; where another thread kept one for the same conditions meanwhile, that one is it."""
        with self._lock:
            known = self._kept.setdefault(key, ())
            same = next((other for other in known if other.guards == value.guards), None)
            if same is None:
                self._kept[key] = (*known, value)[-self._most :]
                self._shrink()
        return value if same is None else cast(_Found, same)

    def _shrink(self) -> None:
        while sum(map(len, self._kept.values())) > self._most:
            self._kept.popitem(last=False)


_PHASES = Compilations(most=1024)
DERIVATIONS = Compilations(most=4096)

_TWO_BATCH = symbol("two_batch")


def phase_of(
    served: ServedModel,
    step: str,
    numbers: Numbers,
    rates: Rates | None = None,
    plan: KernelPlan | None = None,
    *,
    pad: bool = False,
    attention: str = "bf16",
) -> PricedStep:
    """One step, lowered and priced. Deployments that decide every `when` alike share one compilation.

    So do configs, if they have the same kinds of layers too, however many of each.
    """
    family = served.family
    kinds, layers = family.sizes.kinds, served.deployment.pp_layers
    forms = tuple(kind.form for kind in kinds)
    formats = None if rates is None else (served.formats, frozenset(rates.items()))
    key = (family.library, family.model.name, family.model.end, step, pad, forms, formats, _told_apart(served), plan)
    key = (*key, attention)
    if (found := _PHASES.find(key, numbers.deciding)) is not None:
        return found
    facts = deciding_numbers(numbers)
    graph = lower(family.model, family.library, step, facts, kinds, pad=pad, formats=served.formats, pp_layers=layers)
    priced, decided = costs(graph, family.library, facts, rates=rates, attention=attention)
    two_batches = bool(facts[_TWO_BATCH])
    flag = Guard(sympy.Ne(_TWO_BATCH, 0), two_batches)
    return _PHASES.keep(key, priced_phase(graph, priced, (*decided, flag), two_batches, plan))


@lru_cache(maxsize=1024)
def _decision(guarded: Guarded) -> Decision:
    return guards_decision(guarded.guards)


def _told_apart(served: ServedModel) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The pipeline stages that formulas tell apart, each with the kinds of layers that it has."""
    stages = fullest_stages(served.family.sizes.kinds, served.deployment.pp, served.deployment.pp_layers)
    return tuple((stage.number, tuple(kind for kind, count in stage.counts.items() if count)) for stage in stages)


def derived(metric: Metric, phase: PricedStep, plan: MemoryPlan | None = None) -> Derivation:
    """A metric of a phase; one that another starts from is worked out once for both. plan: of memory, by an engine."""
    key = (metric.name, phase, plan)
    found: Mapping[str, Metric] = metrics()
    kept = DERIVATIONS.find(key)
    if kept is None:
        base = derived(found[metric.starts_from], phase) if metric.starts_from in found else None
        kept = DERIVATIONS.keep(key, derivation(metric, phase, base, plan))
    return kept


def cut(metric: Metric, phase: PricedStep, *, after: bool) -> Chunks:
    """A metric of prompts that are cut into chunks, each such a step; after: whether tokens before may be cached."""
    key = (metric.name, "chunks", phase, after)
    return DERIVATIONS.find(key) or DERIVATIONS.keep(key, in_chunks(metric, phase, after=after))
