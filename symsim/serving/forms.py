"""The forms of serving in forms/: text -> named steps in sympy, with validity, error band and source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import cast

from sympy import Expr, Symbol
from sympy.logic.boolalg import Boolean

from symsim.algebra.symbols import SymbolInfo
from symsim.errors import InternalError, SymsimError, UndefinedName, did_you_mean
from symsim.inputs.kept import kept
from symsim.language.symbolic import condition, expression
from symsim.paths import FORMS, display_path, read_text
from symsim.serving.form_text import (
    Band,
    FamilyText,
    FormLine,
    QuantityText,
    ServingFormText,
    Uses,
    Valid,
    parse_serving_forms,
)
from symsim.serving.functions import INDICES, STEP_TIME, SYMBOLIC


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter of the forms: the SI unit of its value, how it is printed, what it stands for."""

    name: str
    unit: str
    latex: str
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class FormStep:
    """`symbol = expr`, or the smallest root of that equation; within: it is put in where a sum runs over it."""

    symbol: Symbol
    expr: Expr
    solved: bool = False
    within: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Where the condition fails there is no answer, but a sentence: names in braces are values."""

    condition: Boolean
    sentence: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ServingForm:
    """One closed form of a quantity. body: steps and checks in the order of the text; the last step is the quantity.

    params: the letters that it is a function of; `t` among them is the time of a step as a function.
    """

    family: str
    quantity: str
    name: str
    unit: str
    meaning: str
    params: tuple[str, ...]
    body: tuple[FormStep | Check, ...]
    bands: tuple[Band, ...]
    assumes: str
    source: str
    note: str
    place: str

    @property
    def steps(self) -> tuple[FormStep, ...]:
        return tuple(line for line in self.body if isinstance(line, FormStep))

    @property
    def result(self) -> FormStep:
        return self.steps[-1]


@cache
def letters() -> Mapping[str, Letter]:
    """Name -> letter, of forms/symbols.toml."""
    rows = tomllib.loads(read_text(FORMS / "symbols.toml"))
    return {name: Letter(name, *row) for name, row in rows.items()}


@cache
def letter_infos() -> Mapping[str, SymbolInfo]:
    """Name -> letter, as formulas print it."""
    return {
        name: SymbolInfo(name=name, kind="architecture", unit=of.unit, meaning=of.meaning, latex=of.latex)
        for name, of in letters().items()
    }


@cache
def letter(name: str) -> Symbol:
    """The Symbol of a letter: a real number, of which a form may say more."""
    return Symbol(name, real=True)


def form(quantity: str, name: str | None = None) -> ServingForm:
    """A form of a quantity by name, the default without one. Raises SymsimError for unknown names.

    >>> form("wait", "m/d/1").params
    ('rate', 's')
    """
    found = _texts().get(quantity)
    if found is None:
        raise SymsimError(f"there is no form of {quantity}; {did_you_mean(quantity, _texts())}")
    if name is not None and name not in found[1].forms:
        raise SymsimError(f"{quantity} has no form {name}; {did_you_mean(name, found[1].forms)}")
    return _form(quantity, name or next(iter(found[1].forms)))


def alternatives(quantity: str) -> tuple[str, ...]:
    """The names of the forms of a quantity, the default first."""
    return tuple(_texts()[quantity][1].forms)


def all_forms() -> Iterator[ServingForm]:
    """Every form, in the order of the files."""
    for quantity, (_, text) in _texts().items():
        yield from (form(quantity, name) for name in text.forms)


@cache
def _texts() -> Mapping[str, tuple[FamilyText, QuantityText]]:
    """Quantity -> its family and text."""
    found: dict[str, tuple[FamilyText, QuantityText]] = {}
    for path in sorted(FORMS.glob("*.form")):
        text = read_text(path)
        family = kept(("forms", path.name, text), partial(parse_serving_forms, text, display_path(path)))
        found.update({quantity.name: (family, quantity) for quantity in family.quantities})
    return found


@cache
def _form(quantity: str, name: str) -> ServingForm:
    family, owner = _texts()[quantity]
    text = owner.forms[name]
    return ServingForm(
        family=family.name,
        quantity=quantity,
        name=name,
        unit=owner.unit,
        meaning=owner.meaning,
        params=text.params,
        body=tuple(_body(text)),
        bands=_bands(text),
        assumes=text.words.get("assumes", ""),
        source=text.words.get("source", ""),
        note=text.words.get("note", ""),
        place=str(text.span),
    )


def _used(line: Uses) -> ServingFormText:
    known = _texts()
    if line.quantity not in known or line.form not in known[line.quantity][1].forms:
        raise UndefinedName(line.span, f"there is no form {line.quantity}.{line.form}")
    return known[line.quantity][1].forms[line.form]


def _flat(text: ServingFormText) -> Iterator[FormLine | Valid]:
    """The lines of a form, those of forms that it uses in their place."""
    for line in text.lines:
        if isinstance(line, Uses):
            yield from _flat(_used(line))
        else:
            yield line


def _bands(text: ServingFormText) -> tuple[Band, ...]:
    inherited = (band for line in text.lines if isinstance(line, Uses) for band in _used(line).bands)
    return text.bands or tuple(inherited)


def _body(text: ServingFormText) -> Iterator[FormStep | Check]:
    lines = list(_flat(text))
    defined = {line.name for line in lines if isinstance(line, FormLine)}
    known: dict[str, Expr] = {name: letter(name) for name in (*text.params, *defined) if name != STEP_TIME}
    if unknown := sorted(known.keys() - letters().keys()):
        raise InternalError("forms", f"{text.span}: forms/symbols.toml has no {', '.join(unknown)}")
    scope = cast(dict[str, Expr], {**known, **INDICES, **{f"{name}()": of for name, of in SYMBOLIC.items()}})
    for line in lines:
        if isinstance(line, Valid):
            yield Check(condition(line.condition, scope), line.sentence)
            continue
        value = expression(line.value, scope)
        within = bool(value.free_symbols & set(INDICES.values()))
        yield FormStep(letter(line.name), value, line.solved, within)
        if within:
            scope[line.name] = value
