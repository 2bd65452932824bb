"""What the memory of one GPU goes to at a workload point, and the sentence where it does not suffice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

import sympy
from sympy import Expr

from symsim.algebra.symbols import DEFAULTS
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program
from symsim.pipeline.compiled import Compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParts:
    """Bytes of one GPU. cache: of the tokens there are; unfilled_pages: what the last page of each sequence leaves.
    reserves: kept for the runtime, and what an engine leaves by its share; free: what is left of the device's
    capacity, below zero where it does not suffice."""

    weights: float
    cache: float
    weights_and_cache: float
    unfilled_pages: float
    activations: float
    reserves: float
    free: float
    capacity: float

    def as_dict(self) -> dict[str, float]:
        """The same as plain JSON types."""
        return asdict(self)


def memory_parts(compiled: Compiled, point: Mapping[str, float]) -> MemoryParts:
    """The parts of the metric of memory. point: its workload symbols, over the defaults; further symbols override."""
    form = compiled.form("memory")
    given = {name: value for name, value in point.items() if form.takes(name)}
    missing = {name: value for name, value in DEFAULTS.items() if name in form.symbols and name not in given}
    values = form.overriding(given).point(**{n: v for n, v in {**missing, **given}.items() if n in form.symbols})
    arm = max(_arms(form.applied.result.expr), key=lambda arm: _amounts(form, values, arm)["total"])
    total, weights, paged, activations = _amounts(form, values, arm).values()
    cache = _amounts(form, {**values, **({"kv_page": 1.0} if "kv_page" in values else {})}, arm)["cache"]
    capacity = float(values.get("hbm_capacity", compiled.numbers.values["hbm_capacity"]))
    return MemoryParts(
        weights=weights,
        cache=cache,
        weights_and_cache=weights + cache,
        unfilled_pages=paged - cache,
        activations=activations,
        reserves=total - weights - paged - activations,
        free=capacity - total,
        capacity=capacity,
    )


def shortage(compiled: Compiled, point: Mapping[str, float]) -> str | None:
    """A sentence where a point does not fit in memory, else None; without a batch, one sequence."""
    lengths = {"S": point["C"], "O": 0} if "C" in point and "S" not in point else {}
    parts = memory_parts(compiled, {"B": 1, **lengths, **point})
    if parts.free >= 0:
        return None
    need, has = parts.capacity - parts.free, f"of the device's {_gigabytes(parts.capacity)}"
    if parts.weights_and_cache > parts.capacity:
        return f"it does not fit in memory: weights and cache need {_gigabytes(parts.weights_and_cache)} {has}"
    more = f"with activations and reserves {_gigabytes(need)} {has}"
    return f"it does not fit in memory: weights and cache need {_gigabytes(parts.weights_and_cache)}, {more}"


def _gigabytes(amount: float) -> str:
    return f"{amount / 1e9:,.1f} GB"


def _arms(expr: Expr) -> list[Expr]:
    """The metric of each pipeline stage: the fullest is what it says."""
    if not isinstance(expr, sympy.Max):
        return [expr]
    return [arm for part in expr.args for arm in _arms(cast(Expr, part))]


_STEPS = {"weights": "weights", "cache": "cache_per_sequence", "activations": "activations"}


def _amounts(form: ClosedForm, values: Mapping[str, float], arm: Expr) -> dict[str, float]:
    """The memory of one stage, its weights, its cache in whole pages and its activations."""
    named = {step.symbol.name: step.expr for step in form.derivation.steps}
    parts = {"total": arm, **{part: _terms(arm, step) for part, step in _STEPS.items()}}
    steps = (*named.items(), *((f"{part}_part", amount) for part, amount in parts.items()))
    amounts = program(steps, tuple(f"{part}_part" for part in parts), "python").at(values, form.context)
    return {part: float(amount) for part, amount in zip(parts, amounts, strict=True)}


def _terms(arm: Expr, step: str) -> Expr:
    """The terms of a sum that hold a step, or the same one of a pipeline stage."""
    terms = sympy.Add.make_args(arm)
    return sympy.Add(*(term for term in terms if any(str(s).partition("_stage")[0] == step for s in term.free_symbols)))
