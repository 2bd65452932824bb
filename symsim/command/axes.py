"""--over B=1:256: the values of an axis on the command line."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, SymsimError
from symsim.language.words import meant, options_like, value_like
from symsim.serving.points import LOADS

_LONGEST = 10**6
"""Values of one axis at the most; a range with more is taken for a slip."""


def axis_of(text: str) -> tuple[str, Any]:
    """NAME=VALUES as a name and its SI values: a list a,b,c; a range low:high, low:high:step or low:high:*factor.

    One value gives a scalar: it fixes the symbol and makes no dimension.
    Raises SymsimError showing how an axis is written.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not name or not values:
        raise SymsimError(f"--over {text!r}: expected e.g. B=1:256, S=1024,4096 or B=1:1024:*2")
    name = _axis(name)
    if name == "device":
        raise SymsimError(f"--over {text!r}: devices are stated by --device {values}")
    if re.fullmatch(r"\w+(-|\.\.)\w+", values) and values[0].isdigit():
        raise SymsimError(f"--over {text!r}: a range is written {name}={re.sub(r'-|[.]{2}', ':', values)}")
    if ":" in values:
        return name, _range(name, values, text)
    found = [_value(name, part.strip(), text) for part in values.split(",")]
    return name, found[0] if len(found) == 1 else found


def _axis(name: str) -> str:
    """A symbol or a setting of the deployment by its name here."""
    found = name if is_symbol(name) else meant(name)
    like = options_like(name) if found == name and not is_symbol(name) else ()
    return like[0].strip("-").replace("-", "_") if like else found


def _range(name: str, values: str, text: str) -> Any:
    """Both ends are included where the steps meet them."""
    low_text, high_text, *step = (part.strip() for part in values.split(":"))
    factor = bool(step) and step[0].startswith("*")
    ends: list[Any] = [_value(name, part, text) for part in (low_text, high_text)]
    ends.append(_value(name, step[0].lstrip("*"), text, unit="1" if factor else None) if step else 1)
    low, high, by = (part if isinstance(part, (int, float)) else np.nan for part in ends)
    if len(step) > 1 or not low <= high or not by > (1 if factor else 0):
        raise SymsimError(f"--over {text!r}: expected low:high, low:high:step or low:high:*factor, low not above high")
    count = np.log(high / low) / np.log(by) if factor else (high - low) / by
    if count > _LONGEST:
        raise SymsimError(f"--over {text!r} has {count + 1:,.0f} values, more than {_LONGEST:,}; give a step")
    steps = np.arange(int(count + 1e-9) + 1)
    found = low * np.power(float(by), steps) if factor else low + steps * by
    return np.unique(np.rint(found).astype(int)) if _whole(name) else found


def _value(name: str, part: str, text: str, unit: str | None = None) -> Any:
    """A number in SI units, or a word (fp8) where the name is no symbol with a unit."""
    dimension = unit or _unit(name)
    try:
        number = parse_quantity(part, dimension)
    except BadUnit as error:
        if is_symbol(name) or (not part.isidentifier() and not part.replace("-", "").isalnum()):
            raise SymsimError(f"--over {text!r}: {error}") from None
        return value_like(part)
    return int(number) if number.denominator == 1 else float(number)


def _unit(name: str) -> str:
    if name in LOADS:
        return LOADS[name].unit
    return symbol_info(name).unit if is_symbol(name) else "1"


def _whole(name: str) -> bool:
    if name in LOADS:
        return LOADS[name].whole
    return not is_symbol(name) or symbol_info(name).integer
