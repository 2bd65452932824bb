"""Closed forms of a compiled model as plain functions of the work of an iteration: of numbers, and of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from symsim.errors import DeploymentError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import array_tables, maker, program, scalar_tables
from symsim.pipeline.compiled import Compiled


def function_of(form: ClosedForm) -> Callable[..., float]:
    """A closed form as a function of its workload symbols by keyword; sizes need not be whole, and may be zero."""
    run = _made(form, (form.derivation.steps[-1].symbol.name,), "python")
    return lambda **work: float(run(**work)[0])


_WORK = ("B", "Q", "C", "T", "S", "past")
"""Symbols of the work of an iteration."""


def _made(form: ClosedForm, names: tuple[str, ...], dialect: Literal["python", "numpy"]) -> Callable[..., Any]:
    """These steps of a closed form as a function of the work by keyword, that which is not stated zero; of other
    symbols too, which are worked with as if they were fixed so."""
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    found = maker(steps, names, _WORK, dialect)
    fixed: dict[str, Any] = {name: float(value) for name, value in form.bound.values.items()}
    usual = tuple((name, float(fixed.get(name, 0.0))) for name in _WORK)

    @lru_cache(maxsize=8)
    def run(others: tuple[tuple[str, float], ...]) -> Callable[..., Any]:
        values = {**fixed, **dict(others)}
        tables = (scalar_tables if dialect == "python" else array_tables)(found.tables, form.context, values)
        return found.make(*(values.get(name, 0.0) for name in found.inputs), *(tables[name] for name in found.tables))

    def at(**work: Any) -> Any:
        known = [work.pop(name, value) for name, value in usual]
        return run(tuple(work.items()))(*known)

    return at


def step_values(form: ClosedForm, at: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Those of these named steps that a closed form has, at a point."""
    own = {step.symbol.name for step in form.derivation.steps}
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    wanted = tuple(name for name in names if name in own)
    compiled = program(steps, wanted, "python")
    values: dict[str, Any] = {**{name: float(value) for name, value in form.bound.values.items()}, **at}
    return dict(zip(wanted, map(float, compiled.at(values, form.context)), strict=True))


@lru_cache(maxsize=256)
def iteration_of(compiled: Compiled) -> Callable[..., float]:
    """Of decodes and prompts together, of either alone by its own step; where two batches overlap, of both in turn."""
    decode, prefill = function_of(in_context(compiled)), function_of(compiled.form("ttft"))

    def at(**work: float) -> float:
        work["C"] = max(work["C"], work["Q"])  # a sequence holds the tokens that it computes
        if not work["T"] and work["Q"] == 1:
            return decode(**work)
        if not work["B"] and not work["past"]:
            return prefill(**work)
        if (mixed := _mixed(compiled)) is not None:
            return mixed(**{**work, "T": max(work["T"], _NOTHING), "B": max(work["B"], _NOTHING)})
        rows = decode(**{**work, "B": work["B"] * work["Q"]}) if work["B"] else 0.0
        return rows + (prefill(**work) if work["T"] else 0.0)

    return at


_NOTHING = 1e-6
"""Tokens in place of none: kernels of some cost models are not told for nothing."""


@lru_cache(maxsize=256)
def _mixed(compiled: Compiled) -> Callable[..., float] | None:
    """None where no iteration holds both; compiled when it is first asked for."""
    try:
        return function_of(compiled.form("iteration"))
    except DeploymentError:
        return None


def in_context(compiled: Compiled) -> ClosedForm:
    """The decode step in its mean context C."""
    form = compiled.form("tpot")
    return form.without(("C",)) if any(step.symbol.name == "C" for step in form.applied.steps) else form


@lru_cache(maxsize=1024)
def decodes_over(compiled: Compiled, queries: int, drafts: int) -> Callable[..., NDArray[np.float64]] | None:
    """The same of arrays: sequences of an attention replica, and their contexts; compiled when it is first asked for.
    None where figures are looked up in tables, or where no iteration holds drafts."""
    if compiled.context.figures is not None or not compiled.cost_model.fitted or compiled.decode.overlapped:
        return None
    form = in_context(compiled)
    layers = max(1.0, float(compiled.numbers.values.get("L", 1)))

    @lru_cache(maxsize=1)
    def made() -> tuple[Callable[..., Any], Callable[..., Any]]:
        step = form if queries == 1 else compiled.form("iteration")
        return _made(step, (step.derivation.steps[-1].symbol.name,), "numpy"), _made(form, _drafting(form), "numpy")

    def at(each: NDArray[np.float64], contexts: NDArray[np.float64], prompt: float) -> NDArray[np.float64]:
        step, draft = made()
        tokens = {"T": 0.0 if queries == 1 else _NOTHING, "S": prompt, "past": 0.0}
        (time,) = step(B=each, Q=queries, C=np.maximum(contexts, queries), **tokens)
        return time + (drafts * _one_of(draft(B=each, Q=1, C=contexts), layers) if drafts else 0.0)

    return at


@lru_cache(maxsize=1024)
def drafts_of(compiled: Compiled, drafts: int) -> Callable[..., float]:
    """So many drafts, one after another."""
    one = _one_draft(compiled)
    return lambda **work: drafts * one(**work)


@lru_cache(maxsize=256)
def _one_draft(compiled: Compiled) -> Callable[..., float]:
    """One more layer, and what stands outside of the layers, as an MTP module of the model has them."""
    form = in_context(compiled)
    layers = max(1.0, float(compiled.numbers.values.get("L", 1)))
    run = _made(form, _drafting(form), "python")
    return lambda **work: _one_of(run(**work), layers)


def _drafting(form: ClosedForm) -> tuple[str, ...]:
    """The time of the step, and of the embedding and the LM head."""
    names = [step.symbol.name for step in form.derivation.steps]
    return (names[-1], *(name for name in ("t_logits", "t_embedding") if name in names))


def _one_of(times: Sequence[Any], layers: float) -> Any:
    """Of a layer and what stands outside of them."""
    apart = sum(times[1:])
    return (times[0] - apart) / layers + apart
