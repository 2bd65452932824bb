r"""LaTeX as people write formulas in papers -> equations in sympy. The subset is grammar/latex.lark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any, cast

import sympy
from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from sympy import Expr, Rational, Symbol

from symsim.algebra.symbols import substitute
from symsim.algebra.units import DIMENSIONS
from symsim.errors import LatexSyntaxError, Span, SymsimError
from symsim.language.graph_text import Places
from symsim.notation.latex import END
from symsim.paths import GRAMMAR
from symsim.tables.table import signatures

DIGITS = 6
"""A whole number with a unit is taken as rounded at this digit, which is how symsim prints."""

MOST_POWER = 1000
"""The greatest exponent that is a number."""

MOST_BITS = 10_000
"""The longest number that a power may give."""

Resolve = Callable[[str, Span], Any]
"""A name and its place -> a Symbol, or the class of a table's applied function."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number that is only known to the digits that were printed: value (SI) within a relative `slack`."""

    value: Fraction
    slack: Fraction


@dataclass(frozen=True, slots=True)
class Equation:
    """`name = side = side ...`; name is as written, None for a formula without a left side. span: where it starts."""

    name: str | None
    sides: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Passage:
    """Text of one equation and where it starts in the whole text."""

    text: str
    start: int


_DISPLAYS = r"(?:equation|align|gather|multline|flalign|alignat|eqnarray|displaymath|dmath)\*?"
_DISPLAY = re.compile(rf"\\begin\{{({_DISPLAYS})\}}(.*?)\\end\{{\1\}}|\\\[(.*?)\\\]|\$\$(.*?)\$\$", re.DOTALL)
_INNER = re.compile(r"\\(?:begin|end)\{(?:aligned|split|gathered|array|math)\}(?:\[[tbc]\])?")
_MARKUP = re.compile(r"\\(?:label|tag\*?)\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![A-Za-z])")
_ROW = re.compile(r"\\\\\*?(?:\[[^\]]*\])?")
_EQUALS = re.compile(r":=|\\(?:coloneqq|triangleq|equiv|defeq)(?![A-Za-z])")


_LEFT = re.compile(
    r"((?:\\?[A-Za-z]+\*?)\s*(?:\{[^{}]*\})?(?:\s*_\s*(?:\{(?:[^{}]|\{[^{}]*\})*\}|\\?\w+))?(?:\^\{?\*\}?)?)\s*(?:\([^()]*\))?"
)
"""A name, and what it is written to depend on."""


_GAP = r"(?:\\q?quad(?![A-Za-z])|\\[,;:! ]|[\s&~])*"
_WHERE = r"\\(?:text|mbox|textrm|mathrm)\s*\{\s*(?:where|with|and)\s*\}"
_NEXT_EQUATION = re.compile(rf"(?:(?<!\\)[,;]{_GAP}(?:{_WHERE})?|{_WHERE}){_GAP}(?=(?:{_LEFT.pattern})\s*=)")
"""What stands between two equations of one row: a comma, or `where`."""


def marked(text: str) -> list[tuple[str, str]]:
    """The parts of a text that say which command derives them: its words, and the text with all else blanked."""
    found: list[tuple[str, str]] = []
    for mark in _MARK.finditer(text):
        end = _NEXT.search(text, mark.end())
        stop = end.start() if end else len(text)
        before, after = (re.sub(r"[^\n]", " ", part) for part in (text[: mark.end()], text[stop:]))
        found.append((mark.group(1), before + text[mark.end() : stop] + after))
    return found


_MARK = re.compile(r"^[ \t]*% symsim formula (.*)$", re.MULTILINE)
_NEXT = re.compile(rf"^[ \t]*%(?: symsim formula | {END})", re.MULTILINE)


def displayed(text: str) -> bool:
    """Whether a text has displayed equations."""
    return _DISPLAY.search(_without_comments(text)) is not None


def inputs(text: str) -> list[str]:
    r"""The files in the same folder that a text has in with \input or \include."""
    return re.findall(r"\\(?:input|include)\s*\{\s*([^{}/\s]+)\s*\}", _without_comments(text))


def _without_comments(text: str) -> str:
    """Comments blanked, so that every place stays."""
    return re.sub(r"(?<!\\)%[^\n]*", _blank, text)


def passages(text: str) -> list[Passage]:
    """The equations of a text, in order: every display, or all of it where there is none."""
    clean = _without_comments(text)
    displays = [
        (found.start(i), found.end(i)) for found in _DISPLAY.finditer(clean) for i in (2, 3, 4) if found.group(i)
    ]
    if not displays:
        body = re.sub(r"\\begin\{document\}|\\end\{document\}|\\[()]|(?<!\\)\$", _blank, clean)
        return _equations(body, 0)
    return [passage for start, end in displays for passage in _equations(clean[start:end], start)]


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


def _equations(text: str, start: int) -> list[Passage]:
    """Rows, where one without an equals sign goes on with the row before."""
    text = _EQUALS.sub(lambda found: "=".rjust(len(found.group())), _MARKUP.sub(_blank, _INNER.sub(_blank, text)))
    found: list[list[int]] = []
    for low, high in _rows(text):
        row = _outside_cases(text[low:high])
        if row.strip(" &\n\t") == "":
            continue
        if found and _equals(row) is None:
            found[-1][1] = high
        else:
            found.append([low, high])
    return [Passage(_flattened(text[low:high]), start + low) for low, high in found]


def _rows(text: str) -> Iterator[tuple[int, int]]:
    r"""Ranges between `\\` that stand outside of cases, and between equations that share a row."""
    low, outside = 0, _outside_cases(text)
    between = [found for found in _NEXT_EQUATION.finditer(outside) if not _depth(outside[: found.start()])]
    for found in sorted((*_ROW.finditer(outside), *between), key=lambda found: found.start()):
        if found.start() >= low:
            yield low, found.start()
            low = found.end()
    yield low, len(text)


def _depth(text: str) -> int:
    """How many brackets are open at the end of a text."""
    return sum(text.count(opening) for opening in "({[") - sum(text.count(closing) for closing in ")}]")


def _outside_cases(text: str) -> str:
    return re.sub(r"\\begin\{cases\}.*?\\end\{cases\}", lambda m: "?" * len(m.group()), text, flags=re.DOTALL)


def _equals(row: str) -> int | None:
    """Where the first equals sign outside of braces is."""
    depth = 0
    for at, character in enumerate(row):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "=" and depth <= 0:
            return at
    return None


def _is_call(before: str) -> bool:
    """Whether a bracket that opens here holds a list of arguments: a name stands before it."""
    bare = re.sub(r"\\(?:left|[bB]igg?[lr]?)\s*$", "", before).rstrip()
    return re.search(r"[A-Za-z0-9}]$", bare) is not None and re.search(r"(?:\\|\{)(?:max|min)\}?$", bare) is None


def _flattened(text: str) -> str:
    r"""`&` and `\\` outside of cases blanked; plain commas in thousands marked, but not in lists of arguments."""
    outside = _outside_cases(text)
    kept = list(text)
    for found in (*_ROW.finditer(outside), *re.finditer(r"(?<!\\)&", outside)):
        kept[found.start() : found.end()] = " " * len(found.group())
    lists: list[bool] = []
    for at, character in enumerate(kept):
        if character in "([":
            lists.append(_is_call(text[:at]))
        elif character in ")]" and lists:
            lists.pop()
        elif character == "," and not (lists and lists[-1]) and re.match(r"\d,\d{3}(?!\d)", text[max(at - 1, 0) :]):
            kept[at] = "'"
    return "".join(kept).rstrip().rstrip(",.;").ljust(len(kept))


def normal_name(latex: str) -> str:
    r"""A name without what only changes how it is set.

    >>> normal_name(r"t_{\mathrm{qkv\,proj}}"), normal_name(r"P_w"), normal_name(r"\mu_{\mathrm{gemm}}")
    ('t_qkvproj', 'P_w', 'mu_gemm')
    """
    bare = re.sub(r"\\(?:rm|it|sf|bf)(?![A-Za-z])", "", latex)
    bare = re.sub(r"\\(?:mathrm|mathit|mathbf|mathsf|mathcal|text|textrm|textit|mbox|operatorname\*?)\s*", "", bare)
    return re.sub(r"\\_", "_", re.sub(r"\\[,;:! ]|[{}~\s-]", "", bare)).replace("\\", "")


@dataclass
class Reader:
    """Reads the equations of one text. literals: the rounded numbers met so far, by the symbol that stands for each."""

    path: str
    text: str
    resolve: Resolve
    literals: dict[Symbol, Literal] = field(default_factory=dict[Symbol, Literal])

    def left(self, passage: Passage) -> tuple[str | None, int]:
        """The name before the first equals sign, if there is one, and where the right side starts."""
        at = _equals(passage.text)
        if at is None:
            return None, 0
        written = passage.text[:at].strip(" \t\n&")
        found = _LEFT.fullmatch(written)
        if found is None:
            message = f"the left side of an equation must be one name, e.g. t_{{\\mathrm{{core}}}}; found {written!r}"
            raise LatexSyntaxError(self.place(passage), message)
        return found.group(1), at + 1

    def equation(self, passage: Passage) -> Equation:
        """Raises LatexSyntaxError pointing at the place."""
        name, start = self.left(passage)
        build = _Build(self, passage.start + start)
        text = passage.text[start:]
        try:
            sides = build.transform(_parser().parse(text))
        except UnexpectedInput as error:
            at = error.pos_in_stream
            ended = at is None or at < 0 or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
            span = self.span(passage.start + start + (len(text.rstrip()) if ended else at or 0))
            raise LatexSyntaxError(span, f"not readable as a formula: {_expected(error, text)}") from None
        except VisitError as error:
            if isinstance(error.orig_exc, SymsimError):
                raise error.orig_exc from None
            raise
        return Equation(name, cast(tuple[Expr, ...], sides), self.place(passage))

    def place(self, passage: Passage) -> Span:
        """Where an equation starts."""
        return self.span(passage.start + len(passage.text) - len(passage.text.lstrip(" \t\n&")))

    def span(self, at: int) -> Span:
        before = self.text[:at]
        line = before.count("\n") + 1
        return Places(self.path, self.text).at(line, at - (before.rfind("\n") + 1) + 1)

    def exact(self, expr: Expr) -> Expr:
        """With rounded numbers as they were printed."""
        numbers = {literal: _rational(known.value) for literal, known in self.literals.items()}
        return substitute(expr, numbers)

    def literal(self, value: Fraction, slack: Fraction) -> Symbol:
        name = Symbol(f"literal_{len(self.literals)}", positive=True)
        self.literals[name] = Literal(value, slack)
        return name


def _expected(error: UnexpectedInput, text: str) -> str:
    """One sentence: what was found, and why it cannot stand there."""
    at = error.pos_in_stream
    rest = "" if at is None or at < 0 else text[at:].strip()
    if isinstance(error, UnexpectedToken) and (error.token.type == "$END" or not rest):
        return "it ends where a term or a closing bracket should follow"
    word = re.match(r"\\[A-Za-z]+\*?|\\.|.", rest)
    found = "`" + (word.group() if word else rest[:1]) + "`"
    known = "what can be read is listed in grammar/latex.lark"
    return (
        f"{found} is not read here; {known}"
        if isinstance(error, UnexpectedCharacters)
        else f"{found} cannot stand here"
    )


@cache
def _parser() -> Lark:
    return Lark((GRAMMAR / "latex.lark").read_text(encoding="utf-8"), parser="lalr", propagate_positions=True)


@dataclass(frozen=True, slots=True)
class _Product:
    """name(bracket) of a name that is no table: a product, whose bracket alone takes a power that follows."""

    name: Expr
    bracket: Expr


def _value(part: Any) -> Expr:
    return part.name * part.bracket if isinstance(part, _Product) else part


@v_args(inline=True)
class _Build(Transformer[Token, Any]):
    """Parse tree -> sympy, as written: nothing is evaluated but sums, products and powers of numbers."""

    def __init__(self, reader: Reader, start: int) -> None:
        super().__init__()
        self.reader, self.offset = reader, start

    def _span(self, token: Token) -> Span:
        return self.reader.span(self.offset + (token.start_pos or 0))

    def start(self, *sides: Any) -> tuple[Expr, ...]:
        """The sides that are equal; what follows an approximate sign is left out."""
        signs = [i for i, side in enumerate(sides) if isinstance(side, Token)]
        return tuple(_value(side) for side in sides[: signs[0] if signs else None] if side is not None)

    def number(self, token: Token, unit: Token | None = None) -> Expr:
        text, _, exponent = re.sub(r"\\[, ]|[{},']", "", token).partition("e")
        check_power(sympy.Integer(10), sympy.Integer(exponent or 0), self._span(token))
        value, factor = Fraction(text), _factor(unit) * Fraction(10) ** int(exponent or 0)
        digits = len(text.replace(".", "").lstrip("0"))
        if "." in text and not value:
            message = f"{token} may stand for any number that small; write 0 for exactly zero"
            raise LatexSyntaxError(self._span(token), message)
        if "." in text and digits > 1:
            slack = Fraction(1, 2 * 10 ** len(text.partition(".")[2]))
        elif "." in text or unit is not None or exponent:
            slack = Fraction(10) ** (_places_before_point(value) - DIGITS) / 2
        else:
            return sympy.Integer(int(text))
        return self.reader.literal(value * factor, slack / value) if value else sympy.S.Zero

    def name(self, token: Token) -> Expr:
        found = self.reader.resolve(str(token), self._span(token))
        if not isinstance(found, Expr):
            raise LatexSyntaxError(self._span(token), f"{token} is a table of measured figures: it needs its arguments")
        return found

    def applied(self, token: Token, arguments: tuple[Expr, ...]) -> Any:
        found = self.reader.resolve(str(token), self._span(token))
        if not isinstance(found, Expr):
            return self._looked_up(found, token, arguments)
        if all(isinstance(argument, Symbol) for argument in arguments) and str(found).startswith("t_"):
            return found  # a time written with what it depends on
        if len(arguments) > 1:
            raise LatexSyntaxError(self._span(token), f"{token} is a symbol and takes no list of arguments")
        return _Product(found, next(iter(arguments)))

    def _looked_up(self, function: Any, token: Token, arguments: tuple[Expr, ...]) -> Expr:
        wanted = signatures()[str(function)].args
        if len(arguments) != len(wanted):
            message = f"{token} is looked up by {', '.join(wanted)}: {len(wanted)} arguments, found {len(arguments)}"
            raise LatexSyntaxError(self._span(token), message)
        return function(*map(self._exact, arguments))

    def _exact(self, expr: Expr) -> Expr:
        return self.reader.exact(expr)

    def sums(self, *parts: Any) -> tuple[Expr, ...]:
        return tuple(map(_value, parts))

    def neg(self, part: Any) -> Expr:
        return -_value(part)

    def pos(self, part: Any) -> Expr:
        return _value(part)

    def add(self, left: Any, right: Any) -> Expr:
        return _value(left) + _value(right)

    def sub(self, left: Any, right: Any) -> Expr:
        return _value(left) - _value(right)

    def mul(self, left: Any, right: Any) -> Expr:
        return _value(left) * _value(right)

    def div(self, left: Any, right: Any) -> Expr:
        if self._exact(_value(right)) == 0:
            raise LatexSyntaxError(self.reader.span(self.offset), "divides by zero")
        return _value(left) / _value(right)

    def power(self, base: Any, exponent: Any, unit: Token | None = None) -> Expr:
        raised = self._exact(_value(exponent))
        inner = base.bracket if isinstance(base, _Product) else base
        check_power(self._exact(inner), raised, self.reader.span(self.offset))
        factor = _rational(_factor(unit))
        if isinstance(base, _Product):
            return base.name * base.bracket**raised * factor
        return base**raised * factor

    def group(self, part: Any) -> Expr:
        return _value(part)

    def floor(self, part: Any) -> Expr:
        return sympy.floor(_value(part))  # pyright: ignore[reportReturnType]

    def ceiling(self, part: Any) -> Expr:
        return sympy.ceiling(_value(part))  # pyright: ignore[reportReturnType]

    def extreme(self, token: Token, arguments: tuple[Expr, ...]) -> Expr:
        return _extreme("min" if "min" in token else "max", arguments)

    def condition(self, *parts: Any) -> Any:
        return None if len(parts) == 1 else (_value(parts[0]), str(parts[1]), _value(parts[2]))

    def case(self, *parts: Any) -> tuple[Expr, Any]:
        return _value(parts[0]), parts[-1]

    def cases(self, *rows: Any) -> Expr:
        """Two rows that take the larger, or the smaller, of their sides. Anything else cannot be compared."""
        given = [row for row in rows if row is not None]
        if len(given) == 2 and given[0][1] is not None:
            (one, (left, sign, right)), (other, _) = given
            same = sympy.expand((left - right) / (one - other)) if one != other else None
            same = sympy.simplify(same) if same is not None else None
            if same is not None and (same.is_positive or same.is_negative):
                larger = bool(same.is_positive) == (sign.lstrip("\\").startswith(("g", ">")))
                return _extreme("max" if larger else "min", (one, other))
        message = "cases can be compared where they are two rows whose condition says which of both is the larger"
        raise LatexSyntaxError(self.reader.span(self.offset), message)


def check_power(base: Expr, exponent: Expr, span: Span) -> None:
    """Raise LatexSyntaxError for a power that no formula has and that would take for ever to multiply out."""
    if not exponent.is_number:
        return
    numbers = base.atoms(Rational)
    if base == 0 and exponent.is_negative:
        raise LatexSyntaxError(span, "divides by zero")
    longest = max((max(abs(int(n.p)), int(n.q)).bit_length() for n in numbers if abs(n) != 1), default=0)
    if abs(exponent) > MOST_POWER or abs(exponent) * longest > MOST_BITS:
        raise LatexSyntaxError(span, f"a power here is too large to be worked out; exponents go up to {MOST_POWER}")


def _places_before_point(value: Fraction) -> int:
    """How many digits a number has before its point; 0 for 0.5, -1 for 0.05.

    >>> [_places_before_point(Fraction(text)) for text in ("61", "5", "0.5", "0.05")]
    [2, 1, 0, -1]
    """
    places = len(str(int(value))) if value >= 1 else 0
    while 0 < value < Fraction(1, 10):
        value, places = value * 10, places - 1
    return places


def _extreme(kind: str, arguments: tuple[Expr, ...]) -> Expr:
    function = sympy.Max if kind == "max" else sympy.Min
    return cast(Expr, function(*arguments, evaluate=False)) if len(arguments) > 1 else next(iter(arguments))


def _rational(value: Fraction) -> Expr:
    return Rational(value.numerator, value.denominator)


def _factor(unit: Token | None) -> Fraction:
    """What a unit stands for in SI units."""
    if unit is None:
        return Fraction(1)
    spelled = re.sub(
        r"\\(?:mathrm|text|textrm|mathsf|unit)|[{}\s]", "", unit.replace("\\upmu", "µ").replace("\\mu", "µ")
    )
    spelled = spelled.replace("\\%", "%")
    spelled = re.sub(r"FLOPs?$", "FLOP", spelled)
    return next(units[spelled] for units in DIMENSIONS.values() if spelled in units)
