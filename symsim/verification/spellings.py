"""Names as printed in LaTeX -> the symbols of one derivation: our own, the config's keys, and common synonyms."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import (
    KNOWN,
    architecture_symbol,
    is_symbol,
    subscripted,
    symbol,
    symbol_info,
    table_function,
)
from symsim.cost.derivation import Derivation
from symsim.errors import Span, UndefinedName, did_you_mean
from symsim.formula.closed_form import ClosedForm
from symsim.paths import GRAMMAR
from symsim.tables.table import signatures
from symsim.verification.latex_reader import normal_name


@dataclass(frozen=True, slots=True)
class Names:
    """spellings: a name in normal form -> what it stands for; shown: our own LaTeX of it, for suggestions; other: names
    that are only synonyms, which a text may also give a meaning of its own."""

    spellings: Mapping[str, Any]
    shown: Mapping[str, str]
    other: frozenset[str]

    def find(self, written: str) -> Any | None:
        """The symbol or table function, or None. Long names are also found in another case."""
        name = normal_name(written)
        if name in self.spellings:
            return self.spellings[name]
        folded = {spelling for spelling in self.spellings if spelling.lower() == name.lower() and len(name) > 3}
        found = {self.spellings[spelling] for spelling in folded}
        return found.pop() if len(found) == 1 else None

    def resolve(self, written: str, span: Span) -> Any:
        """Raises UndefinedName, with the nearest names, for one that stands for nothing."""
        found = self.find(written)
        if found is None:
            raise UndefinedName(span, f"{written} stands for nothing in this formula; {self.near(written)}")
        return found

    def near(self, written: str) -> str:
        """A sentence with the nearest names, in our LaTeX."""
        name = normal_name(written)
        sentence = did_you_mean(name, self.shown)
        if not sentence.startswith("did"):
            return "its symbols are listed by `symsim formula`"
        near = sentence.removeprefix("did you mean ").removesuffix("?").split(" or ")
        return f"did you mean {' or '.join(self.shown[one] for one in near)}?"


def names_of(form: ClosedForm, derivation: Derivation) -> Names:
    """The spellings that a formula may use. What the derivation itself uses comes first where two share a spelling."""
    spellings: dict[str, Any] = {}
    shown: dict[str, str] = {}

    def add(found: Any, latex: str, *others: str) -> None:
        if spellings.setdefault(normal_name(latex), found) is found:
            shown.setdefault(normal_name(latex), latex)
        for other in others:
            spellings.setdefault(normal_name(other), found)

    used = {str(call.func) for step in derivation.steps for call in step.expr.atoms(AppliedUndef)}
    for step in derivation.steps:
        add(step.symbol, step.latex, step.symbol.name)
    for name in sorted(signatures(), key=lambda name: name not in used):
        add(table_function(name), signatures()[name].latex, name)
    inside = {s.name for s in derivation.free()}
    for name in sorted((*KNOWN, *form.bound.values), key=lambda name: name not in inside):
        if is_symbol(name):
            add(symbol(name), symbol_info(name).latex, name)
        else:
            source = form.bound.sources.get(name)
            key = source.keys if source is not None and source.how == "key" else ()
            add(architecture_symbol(name), subscripted(name), name, *key)
    own = frozenset(spellings)
    for name, written in synonyms().items():
        found = spellings.get(normal_name(name)) or spellings.get(name)
        for other in written if found is not None else ():
            spellings.setdefault(normal_name(other), found)
    return Names(spellings, shown, frozenset(spellings) - own)


@cache
def synonyms() -> Mapping[str, tuple[str, ...]]:
    """grammar/synonyms.toml: symbol -> other ways in which papers write it."""
    return {name: tuple(written) for name, written in _table().items() if name != _COUNTED}


@cache
def kinds_of_count() -> Mapping[str, str]:
    """grammar/synonyms.toml: a name in normal form -> which count of the parameters it is."""
    rows: Mapping[str, list[str]] = _table()[_COUNTED]
    return {normal_name(name): which for which, written in rows.items() for name in written}


_COUNTED = "counted"
"""The part of the table that is of parameters."""


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((GRAMMAR / "synonyms.toml").read_text(encoding="utf-8"))
