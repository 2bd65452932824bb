"""A metric at a point of its workload, with the interval that it has there, in LaTeX."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.algebra.symbols import symbol_info
from symsim.formula.closed_form import ClosedForm
from symsim.notation.latex import grouped, quantity


def value_latex(form: ClosedForm, point: Mapping[str, int], value: float, ends: tuple[float, float] | None) -> str:
    r"""`\mathrm{TPOT} = 7.6^{+3.4}_{-1.8}\,\mathrm{ms}` and where, without delimiters; ends: in nine cases of ten.

    The interval is not symmetric, so that both of its sides stand.
    """
    where = ",\\; ".join(f"{symbol_info(name).latex} = {grouped(str(at))}" for name, at in point.items())
    share = "" if ends is None else "90\\,\\%,\\; "
    return f"{form.applied.result.latex} = {with_sides(value, ends, form.unit)} \\qquad ({share}{where})"


def with_sides(value: float, ends: tuple[float, float] | None, unit: str) -> str:
    r"""A value with what its interval reaches above and below it, in the value's own unit, to two digits.

    >>> with_sides(0.0076272, (0.0058, 0.011), "s")
    '7.6^{+3.4}_{-1.8}\\,\\mathrm{ms}'
    >>> with_sides(0.0076272, None, "s")
    '7.627\\,\\mathrm{ms}'
    """
    if ends is None:
        return quantity(value, unit, 4)
    digits = 2
    number, _, written = quantity(value, unit, digits).partition("\\,")
    scale = value / float(number)
    above, below = (f"{abs(end - value) / scale:#.{digits}g}".rstrip(".") for end in (ends[1], ends[0]))
    return f"{number}^{{+{above}}}_{{-{below}}}\\,{written}"
