"""Two compiled models side by side: what changes between them, term by term."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sympy import Add, Expr, Max

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import SymbolInfo
from symsim.cost.derivation import Derivation
from symsim.formula.closed_form import ClosedForm, Level
from symsim.formula.program import program
from symsim.notation.layout import Layout
from symsim.notation.written import Written


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """One named step in both formulas. difference: B - A; a, b: the step in each; None where it has none.

    value_a, value_b: its SI value at the point, zero where the formula has no such step. within: the step of which it
    is a summand that only one formula has; empty for a step.
    """

    name: str
    unit: str
    meaning: str
    a: Written | None
    b: Written | None
    difference: Written
    value_a: float
    value_b: float
    within: str = ""

    @property
    def change(self) -> float:
        return self.value_b - self.value_a

    @property
    def is_otherwise(self) -> bool:
        """Whether the formulas differ."""
        return self.difference.expr != 0

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; formulas as text."""
        texts = {"a": self.a, "b": self.b, "difference": self.difference}
        fields = ("name", "unit", "meaning", "value_a", "value_b", "change", "within")
        written = {name: None if one is None else one.text for name, one in texts.items()}
        return {name: getattr(self, name) for name in fields} | written


@dataclass(frozen=True, slots=True)
class Input:
    """A symbol of both formulas with different numbers behind it, in SI units."""

    info: SymbolInfo
    value_a: float
    value_b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """terms run from the metric down; only those whose formula or figure differs are `changed`. ends_a, ends_b: between
    which values the metric is in nine cases of ten, None where nothing is known of that."""

    metric: str
    unit: str
    a: str
    b: str
    at: Mapping[str, int]
    ends_a: tuple[float, float] | None
    ends_b: tuple[float, float] | None
    terms: tuple[StepChange, ...]
    inputs: tuple[Input, ...]

    def __repr__(self) -> str:
        return one_line(self, f"{self.metric}, {len(self.changed)} terms changed, A = {self.a}, B = {self.b}")

    def _repr_html_(self) -> str:
        changes = {term.name: f"{term.value_a:.6g} -> {term.value_b:.6g} {term.unit}" for term in self.changed}
        return html_table(f"{self.metric}: from {self.a} to {self.b}", changes)

    @property
    def changed(self) -> tuple[StepChange, ...]:
        return tuple(term for term in self.terms if term.is_otherwise or term.change)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, every float at full precision."""
        inputs = [{"symbol": i.info.name, "unit": i.info.unit, "a": i.value_a, "b": i.value_b} for i in self.inputs]
        terms = [term.as_dict() for term in self.terms]
        return {"metric": self.metric, "unit": self.unit, "a": self.a, "b": self.b, "at": dict(self.at)} | {
            "interval_a": self.ends_a,
            "interval_b": self.ends_b,
            "terms": terms,
            "inputs": inputs,
        }


def compare_forms(one: ClosedForm, other: ClosedForm, **at: int) -> Comparison:
    """What changes from A to B, at a workload point.

    Formulas are compared in symbols where every symbol means the same number in both, or differs only in hardware
    and constants; architecture and deployment numbers are put in where they differ.
    """
    one, other = (form.for_inputs(at).in_chunks(at) for form in (one, other))
    level = level_of_both(one, other)
    left, right = one.level(level), other.level(level)
    point = {name: value for name, value in at.items() if name in {*one.symbols, *other.symbols}}
    values = [_step_values(form, point) for form in (one, other)]
    ends_a, ends_b = (
        form.interval(**{name: x for name, x in point.items() if name in form.symbols}) for form in (one, other)
    )
    both = _sheet(left, right, level)
    metric, *steps = (_term(name, left, right, both, *values) for name in _names(left, right))
    return Comparison(
        metric=one.name,
        unit=one.unit,
        a=one.subject,
        b=other.subject,
        at=point,
        ends_a=ends_a,
        ends_b=ends_b,
        terms=(metric, *_summands((one, other), (left, right), both, values), *steps),
        inputs=_inputs(one, other),
    )


def level_of_both(one: ClosedForm, other: ClosedForm) -> Level:
    """symbolic, unless an architecture or deployment symbol of both stands for two numbers."""
    shared = set(one.symbols) & set(other.symbols)
    rates = ("hardware", "convention", "engine", "workload")
    sizes = [n for n in shared if one.symbols[n].kind not in rates and one.symbols[n].unit != "FLOP/s"]
    clash = [name for name in sizes if one.bound.values[name] != other.bound.values[name]]
    return "model" if clash else "symbolic"


def _names(left: Derivation, right: Derivation) -> list[str]:
    """Steps of either, from the metric down."""
    ordered = [step.symbol.name for step in reversed(right.steps)]
    return ordered + [step.symbol.name for step in reversed(left.steps) if step.symbol.name not in ordered]


def _term(
    name: str,
    left: Derivation,
    right: Derivation,
    both: Layout,
    values_a: Mapping[str, float],
    values_b: Mapping[str, float],
) -> StepChange:
    before, after = (next((s for s in d.steps if s.symbol.name == name), None) for d in (left, right))
    step = after or before
    assert step is not None
    a, b = (None if s is None else Written(s.expr, both, s.unit) for s in (before, after))
    change: Expr = (after.expr if after else 0) - (before.expr if before else 0)  # pyright: ignore
    return StepChange(
        name=name,
        unit=step.unit,
        meaning=step.meaning,
        a=a,
        b=b,
        difference=Written(change, both, step.unit),
        value_a=values_a.get(name, 0.0),
        value_b=values_b.get(name, 0.0),
    )


def _summands(
    forms: Sequence[ClosedForm], sides: Sequence[Derivation], both: Layout, values: Sequence[Mapping[str, float]]
) -> Iterator[StepChange]:
    """What only one of the metrics adds besides named times, as an engine adds its launches and its host."""
    times = {step.symbol for side in sides for step in side.steps if step.unit != "1"}
    own = [[s for s in Add.make_args(side.result.expr) if not (s.free_symbols & times or s.has(Max))] for side in sides]
    for side, result in enumerate(one.result for one in sides):
        for summand in own[side]:
            compiled = program((("summand", summand),), ("summand",), "python")
            value = float(compiled.at(values[side], forms[side].context)[0])
            if summand in own[1 - side] or not value:
                continue
            written = Written(summand, both, result.unit)
            change = Written(summand if side else -summand, both, result.unit)
            yield StepChange(
                name=written.text,
                unit=result.unit,
                meaning=f"in {result.symbol.name}",
                a=None if side else written,
                b=written if side else None,
                difference=change,
                value_a=(1 - side) * value,
                value_b=side * value,
                within=result.symbol.name,
            )


def _sheet(left: Derivation, right: Derivation, level: Level) -> Layout:
    """The steps of both, to print expressions in."""
    own = {step.symbol.name: step for step in (*left.steps, *right.steps)}
    joined = Derivation(right.name, right.meaning, tuple(own.values()), ())
    return Layout(level=level, derivation=joined, steps=joined.steps)


def _step_values(form: ClosedForm, point: Mapping[str, int]) -> Mapping[str, float]:
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    compiled = program(steps, tuple(name for name, _ in steps), "python")
    found = compiled.at(form.point(**point), form.context)
    return {**form.point(**point), **dict(zip(compiled.outputs, map(float, found), strict=True))}


def _inputs(one: ClosedForm, other: ClosedForm) -> tuple[Input, ...]:
    shared = [name for name in one.symbols if name in other.symbols and name in one.bound.values]
    pairs = [(one.symbols[n], one.bound.values[n], other.bound.values[n]) for n in shared]
    return tuple(Input(info, float(was), float(now)) for info, was, now in pairs if was != now)
