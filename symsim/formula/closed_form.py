"""ClosedForm: a derivation with the numbers behind its symbols, evaluated at points or compiled to arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sympy import Basic, Expr, Integer, Pow, Symbol

from symsim.algebra.symbols import SymbolInfo, is_symbol, substitute, symbol, symbol_info
from symsim.cost.chunks import Chunks
from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError
from symsim.formula import overrides
from symsim.formula.binding import Numbers
from symsim.formula.chunk_sums import ChunkSum, are_cut
from symsim.formula.interval import LEVEL, TOGETHER, Ends, ends_at
from symsim.formula.program import Program, Steps, program
from symsim.formula.rewriting import Rewriting, rewriting, rewritten, tables_given
from symsim.formula.symbol_numbers import SymbolNumbers
from symsim.inputs.source import Source
from symsim.tables.table import TableContext, signatures

Level = Literal["symbolic", "model", "numeric"]
"""symbolic: all symbols stay; model: the model's and the deployment's numbers in, hardware and the cost model's own
constants as symbols; numeric: only workload symbols left."""


FillCut = Callable[[NDArray[np.float64], Mapping[str, NDArray[np.float64]]], None]
"""Changes an array over points, the numbers of whose symbols broadcast to it."""

MOST_WRITTEN = 512
"""Chunks of a prompt that are written out at the most."""


@dataclass(frozen=True, eq=False)
class ClosedForm:
    """A metric in closed form. Values are SI: seconds, bytes, tokens per second.

    applied: the named steps with every look-up applied; bound: the number behind every symbol but the workload's;
    context: binds tables; subject: what it is the metric of, in words; origin: the words of the command line that say
    the same, empty where no command derives it; ends: operator -> its fitted time times these is its interval; cut:
    what it is of prompts that are longer than an iteration, where that is the sum over their chunks: the derivation
    then holds for all others.
    """

    applied: Derivation
    bound: Numbers
    context: TableContext
    subject: str = ""
    origin: str = ""
    ends: Ends = field(default_factory=dict[str, tuple[float, float]])
    cut: Callable[[], Chunks] | None = None

    @cached_property
    def derivation(self) -> Derivation:
        """The named steps, with what stands in for look-ups that no measured row can answer."""
        return rewritten(self.applied, self.rewriting.swaps)

    @cached_property
    def rewriting(self) -> Rewriting:
        """What stands in place of look-ups."""
        return rewriting(self.applied, self.bound.plain, self.context)

    @cached_property
    def numbers(self) -> SymbolNumbers:
        """The numbers behind its symbols, and which others may be put there."""
        return SymbolNumbers(self.applied, self.derivation, self.rewriting, self.bound)

    @property
    def symbols(self) -> Mapping[str, SymbolInfo]:
        """Name -> unit, meaning and LaTeX of every symbol in the formula."""
        return self.numbers.symbols

    def point(self, **values: float) -> dict[str, Any]:
        """The number behind every symbol at a point; what follows from the workload alone (C) is worked out."""
        return self.numbers.point(**values)

    def takes(self, name: str) -> bool:
        """Whether a number may be given for it: for symbols of the formula, and what else the value rests on."""
        return self.numbers.takes(name)

    def changed(self, change: Callable[[Derivation], Derivation]) -> ClosedForm:
        """The same metric with its steps changed."""
        cut = self.cut
        return replace(self, applied=change(self.applied), cut=None if cut is None else lambda: cut().mapped(change))

    def keeping(self, derivation: Derivation) -> ClosedForm:
        """The same metric derived by these steps."""
        return replace(self, applied=derivation)

    def scaled(self, factor: Expr) -> ClosedForm:
        """The metric times a factor."""
        cut = self.cut
        scaled = None if cut is None else lambda: cut().scaled(factor)
        return replace(self, applied=self.applied.scaled(factor), cut=scaled)

    def without(self, names: Collection[str]) -> ClosedForm:
        """The same metric with some of its steps as inputs of their own."""

        def kept(derivation: Derivation) -> Derivation:
            return derivation.keeping(tuple(step for step in derivation.steps if step.symbol.name not in names))

        return self.changed(kept)

    def for_inputs(self, names: Collection[str]) -> ClosedForm:
        """The metric in the mean context C where the names have it in place of S and O, from which it follows, and
        with one number for all rows of a table that they have, as mfu_gemm.

        Raises SymsimError where S or O is given besides C, or the metric needs them apart from it.
        """
        if tables := frozenset(names).intersection(signatures()):
            return self.changed(lambda derivation: tables_given(derivation, tables))._in_mean_context(names)
        return self._in_mean_context(names)

    def _in_mean_context(self, names: Collection[str]) -> ClosedForm:
        if "C" not in names or "C" in self.symbols:
            return self
        form = self._in_context
        if both := [name for name in ("S", "O") if name in names]:
            raise SymsimError(f"C = S + O/2 follows from S and O; give C or {' and '.join(both)}, not both")
        if apart := [name for name in ("S", "O") if name in form.symbols]:
            raise SymsimError(f"{self.name} depends on {' and '.join(apart)} apart from C; give S and O instead")
        return form

    @cached_property
    def _in_context(self) -> ClosedForm:
        return self.without(("C",))

    def along(self, names: Collection[str]) -> ClosedForm:
        """The same metric with all that moves along these symbols under their names: peaks that are one figure.

        Raises DeploymentError for a symbol along which rows, or the deployment, would be others.
        """
        overrides.check_arrays(self.bound, self.rewriting.columns, names)
        followers = overrides.followers(self.bound, names)
        one = {symbol(name): symbol(leader) for name, leader in followers.items() if name in self.symbols}
        return self.changed(lambda derivation: derivation.substituted(one)) if one else self

    def leading(self) -> ClosedForm:
        """The same metric with each figure of the device under one name: a faster peak is then one input."""
        one = {symbol(name): symbol(leader) for name, leader in self.bound.same.items() if name in self.symbols}
        return self.changed(lambda derivation: derivation.substituted(one)) if one else self

    def overriding(self, values: Mapping[str, float]) -> ClosedForm:
        """The same metric with other numbers behind its symbols, as compiling with them gives it; raises as evaluate.

        Symbols of the workload have no number and stay free.
        """
        stated = {name: value for name, value in values.items() if name in self.bound.values}
        numbers = self.numbers.at(stated, given=tuple(self.symbols))
        changed = {name: number for name, number in numbers.items() if number != self.bound.plain.get(name)}
        if not changed:
            return self
        source = Source(how="chosen", note="as stated")
        bound = replace(
            self.bound,
            values={**self.bound.values, **{name: _exact(number) for name, number in changed.items()}},
            sources={**self.bound.sources, **dict.fromkeys(changed, source)},
        )
        context = overrides.tables_for(self.bound, self.rewriting.columns, stated, self.context)
        return replace(self, bound=bound, context=context)

    @property
    def name(self) -> str:
        return self.applied.name

    @property
    def unit(self) -> str:
        """SI unit of the value: s, B, tokens/s or 1."""
        return self.applied.result.unit

    @cached_property
    def expr(self) -> Expr:
        """The whole formula as one sympy expression in all its symbols."""
        return self.derivation.inlined()

    def level(self, level: Level, keep: Collection[str] = ()) -> Derivation:
        """The derivation with numbers put in as far as the level says, as exact Rationals, but for the symbols kept."""
        numbers = self._put_in(level, keep)
        return self.derivation.substituted(numbers) if numbers else self.derivation

    def _put_in(self, level: Level, kept: Collection[str] = ()) -> Mapping[Symbol, Expr]:
        match level:
            case "symbolic":
                return {}
            case "model":
                kinds = ("hardware", "convention", "engine", "calibration")
                keep = {"peak_w", *(name for name in self.bound.values if _kind(name) in kinds)}
                return {s: value for s, value in self.bound.symbols().items() if s.name not in keep}
            case "numeric":
                return {s: value for s, value in self.bound.symbols().items() if s.name not in kept}

    def level_of_chunks(self, level: Level, keep: Collection[str] = ()) -> Chunks | None:
        """What the metric is of prompts that are cut into chunks, as far; None where none is."""
        if self.cut is None:
            return None
        numbers = self._put_in(level, keep)
        then = tuple(replace(step, expr=substitute(step.expr, numbers)) for step in self.chunks.then)
        return replace(self.chunks, ranks=substitute(self.chunks.ranks, numbers), then=then)

    def evaluate(self, **values: float) -> float:
        """The value at a workload point, e.g. B=64, S=4096, O=2048; any other symbol may be overridden too.

        Overriding a symbol gives what compiling with it gives. Raises SymsimError for unknown or missing symbols and
        for what only compiling can change, EmptyTable where a measured row cannot be used.
        """
        numbers = self.numbers.at(values)
        cut = self.chunk_count(numbers) > 1
        columns = self.one_chunk.rewriting.columns if cut else self.rewriting.columns
        context = overrides.tables_for(self.bound, columns, values, self.context)
        try:
            if cut:
                self.one_chunk.numbers.check_guards(self.numbers.changed(numbers), numbers)
                return self._chunk_sum(numbers).at(numbers, context)
            return float(self.program("python", numbers).at(numbers, context)[0])
        except ZeroDivisionError:
            names = sorted({s.name for s in self._divisors() if not numbers.get(s.name, 1)})
            none = ", ".join(f"{name} = 0 ({self.numbers.info(name).meaning})" for name in names)
            message = f"{self.name} divides by zero at this point" + (f": {none}" if none else "")
            raise SymsimError(message) from None

    def _divisors(self) -> set[Symbol]:
        """The symbols that something is divided by, those of named steps included."""
        powers = {power for step in self.derivation.steps for power in step.expr.atoms(Pow)}
        found = {s for p in powers if p.exp.could_extract_minus_sign() for s in p.base.atoms(Symbol)}
        for step in reversed(self.derivation.steps):
            found |= step.expr.atoms(Symbol) if step.symbol in found else set()
        return found

    def interval(self, level: float = LEVEL, together: float = TOGETHER, **values: float) -> tuple[float, float] | None:
        """Between which values the metric is expected at a point, in nine cases of ten unless another level is asked
        for. None where no time of it was fitted. Raises as evaluate.

        All operators are at their low ends together, then all at their high ones: errors of kernels of one model go the
        same way more often than not, and the sum of the ends was never too narrow where layers were composed. With a
        correlation `together` below 1 it is narrower. What runs of the engine were off widens it.
        """
        return ends_at(self.in_chunks(values), values, level, together)

    def function(self, names: Sequence[str]) -> Callable[..., Any]:
        """A vectorised function of the named symbols, in that order, broadcasting as NumPy does.

        Points where a measured row cannot be used give NaN.
        """
        for name in names:
            self.numbers.check_known(name)
        overrides.check_arrays(self.bound, self.rewriting.columns, names)
        fixed = self.numbers.at({}, given=names)
        compiled = self.program("numpy", names)
        followers = overrides.followers(self.bound, names)
        fill = self.cut_points(names)

        def evaluate_array(*points: Any) -> Any:
            arrays = [np.asarray(point, dtype=float) for point in points]
            given = dict(zip(names, arrays, strict=True))
            values = {**fixed, **given, **{name: given[leader] for name, leader in followers.items()}}
            answer = compiled.over(values, self.context)[0]
            shape = np.broadcast_shapes(*(array.shape for array in arrays))
            answer = np.broadcast_to(answer, shape).copy()
            fill(answer, given)
            return answer if shape else float(answer)

        return evaluate_array

    def cut_points(self, names: Collection[str], output: str = "") -> FillCut:
        """What puts the metric where prompts are cut into an array over points of these symbols, which broadcast.

        output: the sum over the chunks, where the metric goes on from it.
        """
        if self.cut is None:
            return lambda answer, points: None
        fixed = self.numbers.at({}, given=tuple(names))
        followers = overrides.followers(self.bound, names)

        def fill(answer: NDArray[np.float64], points: Mapping[str, NDArray[np.float64]]) -> None:
            given = {**points, **{name: points[leader] for name, leader in followers.items()}}
            if are_cut(answer.shape, {**fixed, **given}).any():
                found = self._chunk_sum(names)
                found = replace(found, then=None) if output == found.total else found
                found.fill(answer, given, fixed, self.context)

        return fill

    def chunk_count(self, values: Mapping[str, Any]) -> int:
        """Iterations that a prompt takes at a point, one after another; 1 where they are not known."""
        if self.cut is None or "S" not in values or "T" not in values:
            return 1
        ranks = values.get("cp", self.bound.values["cp"])
        return max(1, math.ceil(Fraction(values["S"]) / (Fraction(values["T"]) * Fraction(ranks))))

    @cached_property
    def chunks(self) -> Chunks:
        """What the metric is of prompts that are cut into chunks."""
        assert self.cut is not None
        return self.cut()

    @cached_property
    def one_chunk(self) -> ClosedForm:
        """The time of one chunk, of T tokens after `past`."""
        return replace(self, applied=self.chunks.chunk, cut=None)

    def _chunk_sum(self, names: Collection[str]) -> ChunkSum:
        then = tuple((step.symbol.name, step.expr) for step in self.chunks.then)
        return ChunkSum(
            at_point=self.one_chunk.program("python", names),
            at_points=self.one_chunk.program("numpy", names),
            total=self.chunks.chunk.result.symbol.name,
            then=program(then, (then[-1][0],), "numpy") if then else None,
        )

    def in_chunks(self, values: Mapping[str, Any]) -> ClosedForm:
        """The metric as it is around a point: where its prompt is cut, with every chunk written out.

        Raises SymsimError for more of them than can be looked into.
        """
        count = self.chunk_count(values)
        if count == 1:
            return self
        if count > MOST_WRITTEN:
            at = f"at S = {values['S']:,}, T = {values['T']:,}"
            raise SymsimError(
                f"{self.name} {at} is the sum of {count:,} chunks, and at most {MOST_WRITTEN} of them are looked into; "
                f"choose a larger T, or evaluate it"
            )
        return _written_out(self, count)

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """A sentence for every table that does not answer at all for this device: what is used in its place."""
        return self.rewriting.sentences

    def config_keys(self, step: str) -> tuple[str, ...]:
        """The config keys behind a step's architecture symbols, e.g. hidden_size."""
        (expr,) = (found.expr for found in self.derivation.steps if found.symbol.name == step)
        return self.keys_of(expr)

    def keys_of(self, expr: Basic) -> tuple[str, ...]:
        """The config keys behind the architecture symbols of an expression."""
        names = sorted(s.name for s in expr.free_symbols if isinstance(s, Symbol))
        sources = [self.bound.sources[name] for name in names if not is_symbol(name) and name in self.bound.sources]
        return tuple(dict.fromkeys(key for source in sources for key in source.keys))

    def with_times(
        self, operators: tuple[str, ...], factors: Iterable[Sequence[float]], **values: float
    ) -> list[float]:
        """The values at a point with the time of each operator so many times as long. Raises as evaluate."""
        numbers = self.numbers.at(values)
        context = overrides.tables_for(self.bound, self.rewriting.columns, values, self.context)
        stretched, times = _stretched(self._looked_up(numbers), operators)
        worked = program(stretched, (stretched[-1][0],), "python")
        every = ({**numbers, **dict(zip(times, some, strict=True))} for some in factors)
        return [float(worked.at(one, context)[0]) for one in every]

    def program(self, dialect: str, names: Collection[str]) -> Program:
        """The metric as a program; where shapes of look-ups may have changed, every look-up is asked anew."""
        steps = tuple((step.symbol.name, step.expr) for step in self._looked_up(names).steps)
        return program(steps, (steps[-1][0],), dialect)

    def _looked_up(self, names: Collection[str]) -> Derivation:
        moved = any(name in self.rewriting.shaped and self._moved(name, names) for name in names)
        return self.applied if moved else self.derivation

    def _moved(self, name: str, numbers: Collection[str]) -> bool:
        return not isinstance(numbers, Mapping) or numbers[name] != self.bound.plain.get(name)


@lru_cache(maxsize=256)
def _stretched(derivation: Derivation, operators: tuple[str, ...]) -> tuple[Steps, tuple[str, ...]]:
    """The steps with a factor on the time of each operator, and the names of the factors."""
    times = {op: Symbol(f"times_{i}", positive=True) for i, op in enumerate(operators)}
    steps = ((step.symbol.name, times.get(step.op or "", Integer(1)) * step.expr) for step in derivation.steps)
    return tuple(steps), tuple(symbol.name for symbol in times.values())


def _kind(name: str) -> str:
    """What kind of symbol stands under a name."""
    return symbol_info(name).kind if is_symbol(name) else "architecture"


def _exact(number: Any) -> Fraction:
    """The number that people write: 0.15 is 3/20."""
    return Fraction(number) if isinstance(number, (int, Fraction)) else Fraction(repr(float(number)))


@lru_cache(maxsize=64)
def _written_out(form: ClosedForm, count: int) -> ClosedForm:
    """Cached, so that limits of one metric at one point are of one form."""
    return replace(form, applied=form.chunks.written_out(form.applied, count), cut=None)
