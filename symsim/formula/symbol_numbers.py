"""The numbers behind the symbols of a formula at a point: which may be given, what follows them, what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from numbers import Real
from typing import Any

from sympy import Expr, Integer, Symbol

from symsim.algebra.symbols import INPUTS, WORKLOAD, SymbolInfo, is_symbol, subscripted, symbol, symbol_info
from symsim.cost.derivation import Derivation
from symsim.errors import DeploymentError, SymsimError, did_you_mean
from symsim.formula import overrides
from symsim.formula.binding import Numbers
from symsim.formula.program import Steps, program
from symsim.formula.rewriting import Rewriting
from symsim.inputs.deployment import remaining_degrees
from symsim.inputs.number_checks import positive_integer


@dataclass(frozen=True, eq=False)
class SymbolNumbers:
    """applied, derivation: the named steps, before and after rewriting has put something in place of look-ups; bound:
    the number behind every symbol but the workload's."""

    applied: Derivation
    derivation: Derivation
    rewriting: Rewriting
    bound: Numbers

    @cached_property
    def symbols(self) -> Mapping[str, SymbolInfo]:
        """Name -> unit, meaning and LaTeX of every symbol in the formula."""
        return {s.name: self.info(s.name) for s in self.derivation.free()}

    @cached_property
    def _applied_symbols(self) -> frozenset[str]:
        """Symbols that the value rests on without standing in the formula: of look-ups that no row answers, and the
        figure of the device that one in the formula is."""
        defaults = {"default_mfu"} if self.rewriting.partly else set[str]()
        leaders = {leader for name, leader in self.bound.same.items() if name in self.symbols}
        return frozenset({s.name for s in self.applied.free()} | defaults | leaders)

    def point(self, **values: float) -> dict[str, Any]:
        """The number behind every symbol at a point; what follows from the workload alone (C) is worked out."""
        numbers = {**self.bound.plain, **{name: self._checked(name, value) for name, value in values.items()}}
        return {**numbers, **{name: value for name, value in self.following(numbers).items() if name not in values}}

    def at(self, values: Mapping[str, float], given: Sequence[str] = ()) -> dict[str, Any]:
        """The same for evaluation. given: symbols whose numbers come later.

        Raises SymsimError for unknown or missing symbols and for what only compiling can change.
        """
        numbers = dict(self.bound.plain)
        for name, value in values.items():
            numbers[self.check_known(name)] = self._checked(name, value)
        overrides.check_values(self.bound, self.rewriting.columns, values)
        numbers |= {name: numbers[leader] for name, leader in overrides.followers(self.bound, values).items()}
        if {"world_size", "tp", "pp", "cp"} & set(values):
            sizes = _following_sizes(numbers, self.bound.plain)
            numbers |= {name: size for name, size in sizes.items() if name not in values}
        self.check_guards(self.changed(numbers), numbers)
        missing = [name for name in self.symbols if name not in numbers and name not in given]
        if missing:
            needs = ", ".join(f"{name} ({self.info(name).meaning})" for name in missing)
            raise SymsimError(f"{self.applied.name} needs a value for {needs}")
        return numbers

    def following(self, numbers: Mapping[str, Any]) -> Mapping[str, Any]:
        """The steps that rest on the workload alone, as far as its numbers are there."""
        found: dict[str, Any] = {}
        for name, expr in _workload_steps(self.applied):
            known = {**numbers, **found}
            if all(str(s) in known for s in expr.free_symbols):
                (found[name],) = program(((name, expr),), (name,), "python").run(known, {})
        return found

    def check(self, name: str, value: float) -> None:
        """Raise SymsimError unless the symbol may take this value with all others as they are."""
        self.at({name: value}, given=tuple(self.symbols))

    def changed(self, numbers: Mapping[str, Any]) -> set[str]:
        """The symbols whose numbers are not those that were compiled, but for the workload's."""
        return {name for name, value in numbers.items() if value != self.bound.plain.get(name)} - set(WORKLOAD)

    def check_guards(self, changed: set[str], numbers: Mapping[str, Any]) -> None:
        """A formula was decided for one kind of deployment; a symbol may not be overridden out of it."""
        for guard in self.derivation.guards:
            sizes = {s: Integer(numbers[s.name]) for s in guard.symbols() if s.name in numbers}
            if changed & {s.name for s in sizes} and not guard.holds(sizes):
                name = self.applied.name
                raise SymsimError(f"{name} was derived for {guard}; compile it for the other deployment instead")

    def symbol_of(self, name: str) -> Symbol:
        """The Symbol that a name is in this formula: where it may be zero, not the one of the table."""
        return next((found for found in self.derivation.free() if found.name == name), symbol(name))

    def _checked(self, name: str, value: object) -> Any:
        """A number for a symbol, or zero where the step may be without what it counts."""
        own = next((found for found in self.applied.free() if found.name == name), None)
        optional = own is not None and name in INPUTS and not own.is_positive
        return 0 if optional and value == 0 else _checked(name, value)

    def takes(self, name: str) -> bool:
        """Whether a number may be given for it: for symbols of the formula, and what else the value rests on."""
        return name in self.symbols or name in self._applied_symbols

    def check_known(self, name: str) -> str:
        """The name, where a number may be given for it. Raises SymsimError with what is meant."""
        if self.takes(name):
            return name
        if name in INPUTS:
            has = ", ".join(known for known in INPUTS if known in self.symbols) or "none"
            raise SymsimError(f"{self.applied.name} does not depend on {name}; its workload is {has}")
        raise SymsimError(f"{self.applied.name} has no symbol {name}; {did_you_mean(name, self.symbols)}")

    def info(self, name: str) -> SymbolInfo:
        """Unit, meaning and LaTeX of a symbol, also of one that only the model has."""
        if is_symbol(name):
            return symbol_info(name)
        if name in self.bound.infos:
            return self.bound.infos[name]
        source = self.bound.sources.get(name)
        meaning = "" if source is None else source.meaning
        return SymbolInfo(
            name=name, kind="architecture", unit="1", meaning=meaning, latex=subscripted(name), integer=True
        )


def _following_sizes(numbers: Mapping[str, Any], compiled: Mapping[str, Any]) -> Mapping[str, Any]:
    """What other sizes of the deployment follow; experts that spread over all GPUs of a stage go on to do so.

    Experts that are shared by a whole tensor parallel group, too.
    """
    split = compiled["moe_tp"] != compiled["tp"]
    spread = compiled["ep"] * max(compiled["tp"], compiled["moe_tp"]) * compiled["pp"] == compiled["world_size"]
    given = {name: numbers[name] for name in ("world_size", "tp", "pp", "cp")}
    shared = numbers["moe_tp"] if split else numbers["tp"]
    return remaining_degrees(**given, ep=None if spread else numbers["ep"], moe_tp=shared)


def _checked(name: str, value: object) -> Any:
    """A number for a symbol: of the workload whole and at least 1, else above zero, unless none is a number too."""
    number = float(value) if isinstance(value, Real) else -1.0
    if number == 0 and is_symbol(name) and symbol_info(name).none:
        return 0
    if is_symbol(name) and symbol_info(name).integer:
        return positive_integer(name, int(number) if number.is_integer() and number > 0 else value)
    if not number > 0:
        raise DeploymentError(f"{name} = {value!r} must be a number above zero")
    return value


@lru_cache(maxsize=1024)
def _workload_steps(derivation: Derivation) -> Steps:
    """The steps that rest on the workload alone; deployments that share a derivation share them."""
    known = set[str](WORKLOAD)
    found: list[tuple[str, Expr]] = []
    for step in derivation.steps:
        if step.expr.free_symbols and {str(s) for s in step.expr.free_symbols} <= known:
            found.append((step.symbol.name, step.expr))
            known.add(step.symbol.name)
    return tuple(found)
