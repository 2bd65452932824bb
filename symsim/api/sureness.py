"""Up to which answer one can be sure, and up to which one is possible, where times are known with an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sympy import Rational

from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.solve.answer import Answer


class EndForms(Mapping[str, ClosedForm]):
    """Metrics at an end of their intervals at a point: 0 the low one, 1 the high one."""

    def __init__(self, forms: Mapping[str, ClosedForm], point: Mapping[str, float], end: int) -> None:
        self._forms, self._point, self._end = forms, point, end

    def __getitem__(self, name: str) -> ClosedForm:
        form = self._forms[name]
        if not form.ends:
            return form
        at = {symbol: value for symbol, value in self._point.items() if symbol in form.symbols}
        try:
            interval = form.interval(**at)
        except SymsimError:  # a metric that the question is not about, and names no point of
            return form
        if interval is None:
            return form
        slower = self._end if form.unit == "s" else 1 - self._end  # a rate is low where times are long
        return form.scaled(Rational(repr(interval[slower] / form.evaluate(**at))))

    def __iter__(self) -> Iterator[str]:
        return iter(self._forms)

    def __len__(self) -> int:
        return len(self._forms)


def reach(answer: Answer, goal: str, solved: Callable[[int], Answer]) -> str:
    """`B = 66, sure up to 58, possible to 71`; empty where nothing is fitted.

    goal: of the question, max, min or one value; solved: the question asked of metrics at an end.
    """
    if answer.value is None or answer.sizes:
        return ""
    found = [_solved_at(partial(solved, end)) for end in (0, 1)]
    known = sorted(value for value in found if value is not None)
    if not known or (known[0] == known[-1] == answer.value and len(known) == 2):
        return ""
    value = f"{answer.variable} = {_shown(answer, answer.value)}"
    if goal not in ("max", "min"):
        ends = [_shown(answer, one) for one in known]
        return f"{value}, {' to '.join(ends) if len(ends) == 2 else f'{ends[0]} or none'} at 90 %"
    possible, sure = (known[-1], known[0]) if goal == "max" else (known[0], known[-1])
    up_to, to = ("up to", "to") if goal == "max" else ("from", "from")
    words = "sure of none" if len(known) == 1 else f"sure {up_to} {_shown(answer, sure)}"
    return f"{value}, {words}, possible {to} {_shown(answer, possible)} at 90 %"


def _solved_at(solved: Callable[[], Answer]) -> float | None:
    try:
        return solved().value
    except SymsimError:
        return None


def _shown(answer: Answer, value: float) -> str:
    """With the unit of what is no count."""
    if value == int(value) and answer.unit in ("1", "tokens"):
        return f"{value:,.0f}"
    return f"{value:.4g}" if answer.unit in ("1", "tokens") else format_quantity(value, answer.unit, 4)
