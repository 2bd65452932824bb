"""Up to which answer one can be sure, and up to which one is possible, where times are known with an interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sympy import Rational

from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.solve.answer import Answer


class _Scaled(Mapping[str, ClosedForm]):
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


def reach(
    answer: Answer,
    forms: Mapping[str, ClosedForm],
    point: Mapping[str, float],
    solved: Callable[[Mapping[str, ClosedForm]], Answer],
) -> str:
    """`B = 66, sure up to 58, possible to 71`; empty where nothing is fitted or the fast end has no answer.

    solved: the question asked of other metrics.
    """
    if answer.value is None or answer.sizes or answer.at:
        return ""
    sure, possible = (_solved_at(lambda end=end: solved(_Scaled(forms, point, end))) for end in (1, 0))
    if possible is None or sure == possible:
        return ""
    far = "to" if answer.value <= possible else "from"
    words = "sure of none" if sure is None else f"sure {'up to' if far == 'to' else 'from'} {_shown(answer, sure)}"
    value = f"{answer.variable} = {_shown(answer, answer.value)}"
    return f"{value}, {words}, possible {far} {_shown(answer, possible)} at 90 %"


def _solved_at(solved: Callable[[], Answer]) -> float | None:
    try:
        return solved().value
    except SymsimError:
        return None


def _shown(answer: Answer, value: float) -> str:
    """With the unit of what is no count."""
    return f"{value:g}" if answer.unit in ("1", "tokens") else format_quantity(value, answer.unit, 4)
