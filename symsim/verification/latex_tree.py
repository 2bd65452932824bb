"""LaTeX as people write formulas in papers -> equations in sympy. The subset is grammar/latex.lark."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, cast

import sympy
from lark import Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive
from sympy import Expr, Rational, Symbol

from symsim.algebra.symbols import architecture_symbol, substitute
from symsim.errors import LatexSyntaxError, Span, SymsimError
from symsim.language.syntax import parser_of
from symsim.tables.table import signatures
from symsim.verification.latex_cases import CaseRow, regimes_of
from symsim.verification.latex_numbers import Literal, check_power, printed_number, unit_factor
from symsim.verification.latex_passages import Passage
from symsim.verification.latex_reader import DefinedFunction, Equation, Reader, normal_name
from symsim.verification.latex_sums import added_up, limits, without_index


def equation_in(reader: Reader, passage: Passage) -> Equation:
    """An equation as it is written. Raises LatexSyntaxError pointing at the place."""
    name, start = reader.left(passage)
    text, indices = without_index(passage.text[start:])
    build = _Build(reader, passage.start + start, indices)
    reader.check_size(text, passage.start + start)
    try:
        sides = build.transform(parser_of("latex.lark").parse(text))
    except UnexpectedInput as error:
        at = error.pos_in_stream
        ended = at is None or at < 0 or (isinstance(error, UnexpectedToken) and error.token.type == "$END")
        span = reader.span(passage.start + start + (len(text.rstrip()) if ended else at or 0))
        raise LatexSyntaxError(span, f"not readable as a formula: {_expected(error, text)}") from None
    except VisitError as error:
        if isinstance(error.orig_exc, SymsimError):
            raise error.orig_exc from None
        raise
    return Equation(name, cast(tuple[Expr, ...], sides), reader.place(passage))


def define_function(reader: Reader, passage: Passage) -> None:
    """Take up an equation as the definition of a function. Raises LatexSyntaxError pointing at the place."""
    named = {
        normal_name(name): Symbol(f"parameter_{i}", positive=True) for i, name in enumerate(reader.parameters(passage))
    }
    inside = replace(reader, resolve=lambda name, span: named.get(normal_name(name)) or reader.resolve(name, span))
    equation = equation_in(inside, passage)
    reader.functions[normal_name(equation.name or "")] = DefinedFunction(tuple(named.values()), equation.sides[0])


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


@dataclass(frozen=True, slots=True)
class _Product:
    """name(bracket) of a name that is no table: a product, whose bracket alone takes a power that follows."""

    name: Expr
    bracket: Expr


class _Terms(list[Expr]):
    """Terms of a sum that is still read: added once, since each addition looks at all of them."""


def _value(part: Any) -> Expr:
    match part:
        case _Product():
            return part.name * part.bracket
        case _Terms():
            return sympy.Add(*part)
        case _:
            return part


def _with_term(terms: Any, term: Expr) -> _Terms:
    if not isinstance(terms, _Terms):
        terms = _Terms([_value(terms)])
    terms.append(term)
    return terms


@v_args(inline=True)
class _Build(Transformer_NonRecursive[Token, Any]):
    """Parse tree -> sympy, as written: nothing is evaluated but sums, products and powers of numbers."""

    def __init__(self, reader: Reader, start: int, indices: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.reader, self.offset = reader, start
        self.indices = {normal_name(index): Symbol(f"index_{index}", integer=True, positive=True) for index in indices}

    def _span(self, token: Token) -> Span:
        return self.reader.span(self.offset + (token.start_pos or 0))

    def start(self, *sides: Any) -> tuple[Expr, ...]:
        """The sides that are equal; what follows an approximate sign is left out."""
        signs = [i for i, side in enumerate(sides) if isinstance(side, Token)]
        return tuple(_value(side) for side in sides[: signs[0] if signs else None] if side is not None)

    def number(self, token: Token, unit: Token | None = None) -> Expr:
        number = printed_number(str(token), unit, self._span(token))
        return self.reader.literal(number) if isinstance(number, Literal) else Rational(number)

    def name(self, token: Token) -> Expr:
        letter, _, index = normal_name(str(token)).partition("_")
        if letter in self.indices and not index:
            return self.indices[letter]
        if index in self.indices:
            return self._of_layer(token, letter)
        found = self.reader.resolve(str(token), self._span(token))
        if not isinstance(found, Expr):
            raise LatexSyntaxError(self._span(token), f"{token} is a table of measured figures: it needs its arguments")
        return found

    def _of_layer(self, token: Token, letter: str) -> Expr:
        """The mean over all layers: a sum over them is then their sum, of whatever kinds they are."""
        found = self.reader.of_layers(letter)
        if found is None:
            message = f"{token} stands for nothing of a layer; name the kind of layer, e.g. t_{{\\mathrm{{layer}}}}"
            raise LatexSyntaxError(self._span(token), message)
        return found

    def summed(self, token: Token, body: Any) -> Expr:
        r"""\sum over an index; over all layers where no end is said."""
        given, inside = limits(str(token)), _value(body)
        index = self.indices[normal_name(given.index)]
        low = sympy.S.One if given.low is None else self._bound(*given.low, token)
        high = self.reader.of_layers("L") if given.high is None else self._bound(*given.high, token)
        found = None if high is None else added_up(inside, index, low, high)
        if found is None:
            message = "this sum cannot be worked out: say over what it goes, and name what it adds up"
            raise LatexSyntaxError(self._span(token), message)
        return found

    def _bound(self, text: str, at: int, token: Token) -> Expr:
        start = self.offset + (token.start_pos or 0) + at
        (found,) = _Build(self.reader, start).transform(parser_of("latex.lark").parse(text))
        layers = self.reader.of_layers("L")
        return found if layers is None else substitute(found, {architecture_symbol("L"): layers})

    def applied(self, token: Token, arguments: tuple[Expr, ...]) -> Any:
        defined = self.reader.functions.get(normal_name(str(token)))
        if defined is not None:
            return self._put_in(defined, token, arguments)
        found = self.reader.resolve(str(token), self._span(token))
        if not isinstance(found, Expr):
            return self._looked_up(found, token, arguments)
        if all(isinstance(argument, Symbol) for argument in arguments) and str(found).startswith("t_"):
            return found  # a time written with what it depends on
        if len(arguments) > 1:
            raise LatexSyntaxError(self._span(token), f"{token} is a symbol and takes no list of arguments")
        return _Product(found, next(iter(arguments)))

    def _put_in(self, defined: DefinedFunction, token: Token, arguments: tuple[Expr, ...]) -> Expr:
        """A function of the text's own with its arguments in the places of its parameters."""
        wanted = len(defined.parameters)
        if len(arguments) != wanted:
            message = f"{token} is defined with {wanted} arguments, found {len(arguments)}"
            raise LatexSyntaxError(self._span(token), message)
        self.reader.applied.add(normal_name(str(token)))
        return substitute(defined.body, dict(zip(defined.parameters, arguments, strict=True)))

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

    def add(self, left: Any, right: Any) -> _Terms:
        return _with_term(left, _value(right))

    def sub(self, left: Any, right: Any) -> _Terms:
        return _with_term(left, -_value(right))

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
        factor = Rational(unit_factor(unit))
        if isinstance(base, _Product):
            return base.name * base.bracket**raised * factor
        return base**raised * factor

    def group(self, part: Any) -> Expr:
        return _value(part)

    def floor(self, part: Any) -> Expr:
        return sympy.floor(_value(part))  # pyright: ignore[reportReturnType]

    def ceiling(self, part: Any) -> Expr:
        return sympy.ceiling(_value(part))  # pyright: ignore[reportReturnType]

    def root(self, part: Any) -> Expr:
        return _value(part) ** Rational(1, 2)

    def function(self, token: Token, part: Any) -> Expr:
        return sympy.exp(_value(part)) if "exp" in token else sympy.log(_value(part))  # pyright: ignore

    def extreme(self, token: Token, arguments: tuple[Expr, ...]) -> Expr:
        return _extreme("min" if "min" in token else "max", arguments)

    def condition(self, *parts: Any) -> tuple[tuple[Expr, str, Expr], ...]:
        """left, sign, right, and as much again of a < B < b; nothing where it is what is left."""
        given = [part for part in parts if part is not None]
        ends = range(0, len(given) - 2, 2)
        return tuple((_value(given[i]), str(given[i + 1]), _value(given[i + 2])) for i in ends)

    def case(self, *parts: Any) -> CaseRow:
        return _value(parts[0]), parts[-1]

    def cases(self, *rows: Any) -> Expr:
        """Two rows that take the larger, or the smaller, of their sides; other rows are decided by numbers."""
        given: list[CaseRow] = [row for row in rows if row is not None]
        if len(given) == 2 and len(given[0][1]) == 1:
            (one, ((left, sign, right),)), (other, _) = given
            same = sympy.expand((left - right) / (one - other)) if one != other else None
            same = sympy.simplify(same) if same is not None else None
            if same is not None and (same.is_positive or same.is_negative):
                larger = bool(same.is_positive) == (sign.lstrip("\\").startswith(("g", ">")))
                return _extreme("max" if larger else "min", (one, other))
        return regimes_of(given)


def _extreme(kind: str, arguments: tuple[Expr, ...]) -> Expr:
    function = sympy.Max if kind == "max" else sympy.Min
    return cast(Expr, function(*arguments, evaluate=False)) if len(arguments) > 1 else next(iter(arguments))
