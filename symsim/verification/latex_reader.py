"""A text in LaTeX while its equations are read: places in it, left sides, and the rounded numbers that it prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sympy import Expr, Rational, Symbol

from symsim.algebra.symbols import substitute
from symsim.errors import LatexSyntaxError, Span
from symsim.language.syntax import Places
from symsim.verification.latex_numbers import Literal
from symsim.verification.latex_passages import LEFT_SIDE, Passage, equals_sign

LONGEST, DEEPEST = 50_000, 60
"""Characters of an equation, and brackets in brackets, at the most."""

Resolve = Callable[[str, Span], Any]
"""A name and its place -> a Symbol, or the class of a table's applied function."""

OfLayers = Callable[[str], Expr | None]
"""t -> the time of a layer, of all kinds in the mean; L -> how many layers there are. None where that is not known."""


@dataclass(frozen=True, slots=True)
class Equation:
    """`name = side = side ...`; name is as written, None for a formula without a left side. span: where it starts."""

    name: str | None
    sides: tuple[Expr, ...]
    span: Span


def normal_name(latex: str) -> str:
    r"""A name without what only changes how it is set.

    >>> normal_name(r"t_{\mathrm{qkv\,proj}}"), normal_name(r"P_w"), normal_name(r"\mu_{\mathrm{gemm}}")
    ('t_qkvproj', 'P_w', 'mu_gemm')
    """
    bare = re.sub(r"\\(?:rm|it|sf|bf)(?![A-Za-z])", "", latex)
    bare = re.sub(r"\\(?:mathrm|mathit|mathbf|mathsf|mathcal|text|textrm|textit|mbox|operatorname\*?)\s*", "", bare)
    return re.sub(r"\\_", "_", re.sub(r"\\[,;:! ]|[{}~\s-]", "", bare)).replace("\\", "")


@dataclass(frozen=True, slots=True)
class DefinedFunction:
    """A function that a text defines: what it is in its parameters."""

    parameters: tuple[Symbol, ...]
    body: Expr


@dataclass
class Reader:
    """One text whose equations are read. literals: the rounded numbers met so far, by the symbol that stands for each;
    functions: those that the text defines, by their names in normal form; applied: which of them it uses."""

    path: str
    text: str
    resolve: Resolve
    of_layers: OfLayers = lambda letter: None
    literals: dict[Symbol, Literal] = field(default_factory=dict[Symbol, Literal])
    functions: dict[str, DefinedFunction] = field(default_factory=dict[str, DefinedFunction])
    applied: set[str] = field(default_factory=set[str])

    def parameters(self, passage: Passage) -> list[str]:
        """What the left side of an equation is written to depend on."""
        at = equals_sign(passage.text)
        found = re.search(r"\(([^()]*)\)\s*$", passage.text[: at or 0].rstrip(" \t\n&"))
        return [name.strip() for name in re.split(r"(?<!\\),", found.group(1))] if found else []

    def left(self, passage: Passage) -> tuple[str | None, int]:
        """The name before the first equals sign, if there is one, and where the right side starts."""
        at = equals_sign(passage.text)
        if at is None:
            return None, 0
        written = passage.text[:at].strip(" \t\n&")
        found = LEFT_SIDE.fullmatch(written)
        if found is None:
            message = f"the left side of an equation must be one name, e.g. t_{{\\mathrm{{core}}}}; found {written!r}"
            raise LatexSyntaxError(self.place(passage), message)
        return found.group(1), at + 1

    def check_size(self, text: str, start: int) -> None:
        """Raise LatexSyntaxError for more text, or deeper brackets, than any formula has."""
        if len(text) > LONGEST:
            message = f"one equation of {len(text):,} characters; at most {LONGEST:,} are read"
            raise LatexSyntaxError(self.span(start), message)
        depth = 0
        for at, character in enumerate(text):
            depth += (character in "({[") - (character in ")}]")
            if depth > DEEPEST:
                message = f"brackets stand more than {DEEPEST} deep here; name parts of it in equations of their own"
                raise LatexSyntaxError(self.span(start + at), message)

    def place(self, passage: Passage) -> Span:
        """Where an equation starts."""
        return self.span(passage.start + len(passage.text) - len(passage.text.lstrip(" \t\n&")))

    def span(self, at: int) -> Span:
        before = self.text[:at]
        line = before.count("\n") + 1
        return Places(self.path, self.text).at(line, at - (before.rfind("\n") + 1) + 1)

    def exact(self, expr: Expr) -> Expr:
        """With rounded numbers as they were printed."""
        numbers = {literal: Rational(known.value) for literal, known in self.literals.items()}
        return substitute(expr, numbers)

    def literal(self, number: Literal) -> Symbol:
        """The symbol that stands for a rounded number."""
        name = Symbol(f"literal_{len(self.literals)}", positive=True)
        self.literals[name] = number
        return name
