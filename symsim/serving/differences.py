"""What changes between two ways to serve the same requests: figure by figure, and term by term where forms differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from symsim.serving.forms import FormStep, letters
from symsim.serving.outcome import Outcome
from symsim.serving.points import METRICS, Point
from symsim.serving.prediction import Figures
from symsim.serving.sentences import LOAD_WORDS


@dataclass(frozen=True, slots=True)
class FigureChange:
    """A figure of both, in SI units; None where one has none."""

    name: str
    unit: str
    a: float | None
    b: float | None


@dataclass(frozen=True, slots=True)
class TermChange:
    """A step of a quantity that two forms answer: as each writes it (empty where it has none), and what it comes to."""

    quantity: str
    name: str
    unit: str
    meaning: str
    form_a: str
    form_b: str
    written_a: str
    written_b: str
    a: float | None
    b: float | None


@dataclass(frozen=True, slots=True)
class LoadComparison:
    """sentences: what follows, e.g. the price from which one is the cheaper."""

    a: str
    b: str
    figures: tuple[FigureChange, ...]
    terms: tuple[TermChange, ...]
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


def differences_of(names: tuple[str, str], a: Figures, b: Figures) -> LoadComparison:
    """From the figures of one way to those of another."""
    return LoadComparison(*names, tuple(_figures(a, b)), tuple(_terms(a, b)), tuple(_sentences(names, a, b)))


_SHOWN: tuple[tuple[str, str, Callable[[Figures], float | None]], ...] = (
    ("TTFT", "s", lambda f: f.ttft["mean"]),
    ("TTFT_p50", "s", lambda f: f.ttft["p50"]),
    ("TTFT_p90", "s", lambda f: f.ttft["p90"]),
    ("TTFT_p99", "s", lambda f: f.ttft["p99"]),
    ("TPOT", "s", lambda f: f.tpot),
    ("ITL_p99", "s", lambda f: f.itl["p99"]),
    ("E2E", "s", lambda f: f.e2e),
    ("requests/s", "1/s", lambda f: f.request_rate),
    ("tokens/s/GPU", "tokens/s", lambda f: f.per_gpu),
    ("GPUs", "1", lambda f: float(f.gpus)),
    ("GPU seconds of a request", "s", lambda f: None if not f.request_rate else f.gpus / f.request_rate),
    ("power", "W", lambda f: f.power),
    ("energy", "J", lambda f: f.energy),
    ("cost", "$", lambda f: f.cost),
)


def _figures(a: Figures, b: Figures) -> Iterator[FigureChange]:
    for name, unit, of in _SHOWN:
        yield FigureChange(name, unit, of(a), of(b))
    for name in dict.fromkeys((*a.load, *b.load)):
        yield FigureChange(f"load: {LOAD_WORDS.get(name, name)}", "1", a.load.get(name), b.load.get(name))


def _terms(a: Figures, b: Figures) -> Iterator[TermChange]:
    """Of each quantity that both answer by other forms."""
    for quantity in dict.fromkeys((*a.served.forms, *b.served.forms)):
        one, other = a.served.forms.get(quantity), b.served.forms.get(quantity)
        if one is not None and other is not None and one.form.name != other.form.name:
            yield from _of_forms(quantity, one, other)


def _of_forms(quantity: str, a: Outcome, b: Outcome) -> Iterator[TermChange]:
    steps = [{step.symbol.name: step for step in of.form.steps if not step.within} for of in (a, b)]
    results = [of.form.result.symbol.name for of in (a, b)]
    for name in sorted(dict.fromkeys((*steps[0], *steps[1])), key=results.__contains__):
        known = letters()[name]
        yield TermChange(
            quantity=quantity,
            name=name,
            unit=known.unit,
            meaning=known.meaning,
            form_a=a.form.name,
            form_b=b.form.name,
            written_a=_written(steps[0].get(name)),
            written_b=_written(steps[1].get(name)),
            a=a.values.get(name),
            b=b.values.get(name),
        )


def _written(step: FormStep | None) -> str:
    return "" if step is None else str(step.expr)


def _sentences(names: tuple[str, str], a: Figures, b: Figures) -> Iterator[str]:
    for name, of in zip(names, (a, b), strict=True):
        if of.sentence:
            yield f"{name} serves nothing: {of.sentence}"
    if a.per_gpu and b.per_gpu and a.per_gpu != b.per_gpu:
        ratio = b.per_gpu / a.per_gpu
        yield (
            f"a GPU of {names[1]} may cost up to {ratio:.4g} times what one of {names[0]} does: "
            "the ratio of the GPU seconds of a request"
        )


def load_crossings(
    a: Callable[[float], Figures], b: Callable[[float], Figures], metric: str, grid: list[float]
) -> list[tuple[float, str]]:
    """(value, which one is the smaller from there on) where a metric of both changes places along a grid.

    What serves nothing counts as larger than all. Whole grids are refined to whole numbers.
    """
    of = METRICS[metric][1]
    whole = all(value == int(value) for value in grid)

    def less(value: float) -> bool:
        """Whether a is the smaller."""
        ends = [_value(of, figures(value)) for figures in (a, b)]
        return ends[0] <= ends[1]

    found: list[tuple[float, str]] = []
    sides = [less(value) for value in grid]
    for (low, at_low), (high, at_high) in zip(
        zip(grid, sides, strict=True), list(zip(grid, sides, strict=True))[1:], strict=False
    ):
        if at_low == at_high:
            continue
        while high - low > (1 if whole else 1e-4 * high):
            middle = float((low + high) // 2) if whole else (low + high) / 2
            low, high = (middle, high) if less(middle) == at_low else (low, middle)
        found.append((high, "A" if at_high else "B"))
    return found


def _value(of: Callable[[Any], float | None], figures: Figures) -> float:
    value = None if figures.sentence else of(Point(figures, lambda: figures, figures.gpus))
    return float("inf") if value is None else value
