"""The time of an iteration as a function that a simulator of an engine calls: in Python, C or JavaScript.

A simulator knows what a batch is made of. Four sums of it are enough:

    rows      sequences that decode, Q tokens each
    tokens    tokens of the iteration, those of decodes and those of prompts
    contexts  tokens of cache that decodes read, added up over their sequences
    pairs     causal pairs of the prompts' tokens: each token with those before it and itself
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from sympy import Expr, Function, Pow, Rational
from sympy.core.function import AppliedUndef

from symsim.algebra.code_printer import code
from symsim.algebra.shown import one_line
from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError
from symsim.pipeline.compiled import Compiled
from symsim.serving.model_step import EngineLayout

_INPUTS = ("tokens", "contexts", "pairs", "rows")


@dataclass(frozen=True, eq=False, repr=False)
class IterationTime:
    """Seconds of an iteration of one engine. queries: tokens of a decoding sequence, drafts + 1.

    replicas: attention replicas that share it evenly; ranks: GPUs that share the context of a prompt.
    """

    derivation: Derivation
    numbers: Mapping[str, float]
    subject: str
    queries: int
    replicas: int
    ranks: int

    def __repr__(self) -> str:
        return one_line(self, f"seconds of an iteration of ({', '.join(_INPUTS)}) of {self.subject}")

    def __call__(self, tokens: float, contexts: float, pairs: float, rows: float) -> float:
        """Seconds of a batch with so many tokens, read context, causal pairs, and decoding sequences."""
        return self.function(tokens, contexts, pairs, rows)

    @functools.cached_property
    def function(self) -> Callable[[float, float, float, float], float]:
        """The same as a plain function of floats."""
        names: dict[str, Callable[[float, float, float, float], float]] = {}
        exec(compile(self.to_python(), "<symsim iteration>", "exec"), names)
        return names["iteration"]

    def to_python(self) -> str:
        """A module that needs the standard library only; `iteration(tokens, contexts, pairs, rows)` is its function."""
        lines = self._lines("python", "{} = {}")
        head = ['"""', *self._about(), '"""', "", "from math import ceil, floor, log  # noqa: F401", "", ""]
        body = [f"    {line}" for line in lines]
        return "\n".join(
            [*head, f"def iteration({', '.join(_INPUTS)}):", *body, f"    return {self._result('python')}", ""]
        )

    def to_c(self) -> str:
        """C99 source that needs <math.h> only: `double iteration(double tokens, double contexts, ...)`."""
        head = ["/*", *self._about(), "*/", "#include <math.h>", "", *_C_EXTREMES, ""]
        arguments = ", ".join(f"double {name}" for name in _INPUTS)
        body = [f"    {line}" for line in self._lines("c", "const double {} = {};")]
        return "\n".join(
            [*head, f"double iteration({arguments}) {{", *body, f"    return {self._result('c')};", "}", ""]
        )

    def to_javascript(self) -> str:
        """JavaScript source of one function: `iteration({tokens, contexts, pairs, rows})`."""
        head = ["/*", *self._about(), "*/", f"function iteration({{{', '.join(_INPUTS)}}}) {{"]
        body = [f"  {line}" for line in self._lines("javascript", "const {} = {};")]
        return "\n".join([*head, *body, f"  return {self._result('javascript')};", "}", ""])

    def _about(self) -> list[str]:
        return [
            f"Seconds of an iteration of {self.subject}.",
            "",
            f"rows: sequences that decode, {self.queries} token(s) each; tokens: of decodes and prompts;",
            "contexts: tokens of cache that decodes read, over all of them;",
            "pairs: of the prompts' tokens, each with those before it and itself.",
            "Derived by symsim.",
        ]

    def _lines(self, dialect: str, let: str) -> list[str]:
        """The sizes of the iteration from the four sums, and its steps but the last."""
        most, least = _EXTREMES[dialect]
        none, q = "1e-06", f"{self.queries}.0"
        sizes = {
            "B": f"{most}(rows, {none}) / {self.replicas}.0",
            "Q": q,
            "C": f"{most}({q}, contexts / {most}(rows, {none}))",
            "chunk": f"{most}(tokens - {q} * rows, {none})",
            "T": f"chunk / {self.replicas * self.ranks}.0",
            "mean": "pairs / chunk",
            "S": f"{most}(1.0, {least}(chunk, 2.0 * mean - 1.0))",
            "past": f"{most}(0.0, mean - (S + 1.0) / 2.0)",
        }
        used = {str(s) for step in self.derivation.steps for s in step.expr.free_symbols}
        known = {name: repr(value) for name, value in self.numbers.items() if name in used}
        kept = {name: text for name, text in sizes.items() if name in used or name in ("chunk", "mean", "S")}
        steps = {step.symbol.name: _written(step.expr, dialect) for step in self.derivation.steps[:-1]}
        return [let.format(name, text) for name, text in (known | kept | steps).items()]

    def _result(self, dialect: str) -> str:
        return _written(self.derivation.result.expr, dialect)


def _written(expr: Expr, dialect: str) -> str:
    """As source; in C common powers are functions of their own, which are several times as fast as pow."""
    if dialect == "c":
        expr = cast(Any, expr).replace(
            lambda e: isinstance(e, Pow) and e.args[1] in _FAST, lambda e: _FAST[e.args[1]](e.args[0])
        )
    return code(expr, dialect)


_FAST: Mapping[Any, Any] = {
    Rational(1, 2): Function("sqrt"),
    Rational(3, 2): Function("sesqui"),
    Rational(2): Function("square"),
    Rational(2, 3): Function("two_thirds"),
}


_EXTREMES = {"python": ("max", "min"), "c": ("larger", "smaller"), "javascript": ("Math.max", "Math.min")}
_C_EXTREMES = (
    "static double larger(double a, double b) { return a > b ? a : b; }",
    "static double smaller(double a, double b) { return a < b ? a : b; }",
    "static double sesqui(double x) { return x * sqrt(x); }",
    "static double square(double x) { return x * x; }",
    "static double two_thirds(double x) { const double root = cbrt(x); return root * root; }",
)


def iteration_time(compiled: Compiled, drafts: int = 0) -> IterationTime:
    """What a simulator calls. Raises DeploymentError where no iteration holds both decodes and prompts, SymsimError
    where times are looked up in measured tables."""
    form = compiled.form("iteration")
    derivation, numbers = form.derivation, {name: float(value) for name, value in form.bound.values.items()}
    tables = sorted({str(call.func) for step in derivation.steps for call in step.expr.atoms(AppliedUndef)} - {"log"})
    if tables:
        of = compiled.cost_model.name
        raise SymsimError(f"the {of} cost model looks times up in tables ({', '.join(tables)}); state another")
    if "C" not in {str(s) for step in derivation.steps for s in step.expr.free_symbols}:
        of = compiled.cost_model.name
        raise SymsimError(f"the {of} cost model has no iteration of decodes and prompts together; state another")
    layout = EngineLayout.of(compiled)
    return IterationTime(derivation, numbers, compiled.subject, drafts + 1, layout.replicas, compiled.deployment.cp)
