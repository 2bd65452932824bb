"""Where every sympy Symbol is born, with its assumptions, unit, LaTeX and meaning, from grammar/symbols.toml.

Names are the ones users type in queries and see in printed formulas.  Architecture symbols are named by the `config:`
section of a model in graphs/.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, cast

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.powers import power
from symsim.errors import InternalError
from symsim.paths import CALIBRATION, GRAMMAR, MFU

SymbolKind = Literal[
    "workload",
    "deployment",
    "flag",
    "hardware",
    "convention",
    "engine",
    "precision",
    "architecture",
    "step",
    "calibration",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolInfo:
    """What a symbol stands for. `unit` is the SI unit of its value ("1" for a pure number).

    zero: whether it may be 0 and conditions ask whether it is; none: whether 0 is a number for it like any other.

    default: what stands in where a question names none; range: from where to where it is looked at unless asked.
    """

    name: str
    kind: SymbolKind
    unit: str
    meaning: str
    latex: str
    integer: bool = False
    zero: bool = False
    none: bool = False
    default: int | None = None
    range: tuple[int, int] | None = None


_KINDS: tuple[SymbolKind, ...] = ("workload", "deployment", "flag", "hardware", "precision", "convention", "engine")
_TABLE: Mapping[str, Mapping[str, Any]] = tomllib.loads((GRAMMAR / "symbols.toml").read_text(encoding="utf-8"))


def _row(kind: SymbolKind, name: str) -> SymbolInfo:
    unit, latex, meaning, *words = _TABLE[kind][name]
    if not {*words} <= {"whole", "zero", "none"}:
        raise InternalError("symbols", f"grammar/symbols.toml, {name}: expected whole, zero or none, found {words}")
    low_high = _TABLE["range"].get(name)
    return SymbolInfo(
        name=name,
        kind=kind,
        unit=unit,
        meaning=meaning,
        latex=latex,
        integer="whole" in words,
        zero="zero" in words,
        none="none" in words,
        default=_TABLE["default"].get(name),
        range=None if low_high is None else (low_high[0], low_high[1]),
    )


KNOWN: Mapping[str, SymbolInfo] = {name: _row(kind, name) for kind in _KINDS for name in _TABLE[kind]}
"""The symbols of the table; those of number formats besides: `symbol_info`."""

DEFAULTS: Mapping[str, int] = {name: info.default for name, info in KNOWN.items() if info.default is not None}
"""Workload that stands in where a question names none. Every use is stated."""

WORKLOAD = tuple(DEFAULTS)
"""The workload that is a user's to choose."""

STEP_DEFAULTS: Mapping[str, int] = {"Q": 1, "C": 4096, "past": 0}
"""What else stands in where a question about a mixed step names none; C, which follows from S and O elsewhere, too."""

INPUTS = (*WORKLOAD, *STEP_DEFAULTS)
"""What users choose at a point, in the order in which programs take it."""

PRECISIONS = tuple(name.removeprefix("peak_") for name in _TABLE["hardware"] if name.startswith("peak_"))
"""Precisions that may have a peak rate; a device's is the symbol `peak_PRECISION`."""

LINKS = ("nvlink", "rdma")

_FORMAT = re.compile(r"b_((?:[a-z]+_)*?[a-z]+\d\w*)")


def is_symbol(name: object) -> bool:
    """Whether a name is a symbol of the table, or of a number format: `b_FORMAT`.

    >>> is_symbol("hbm_bandwidth"), is_symbol("b_int4_g128"), is_symbol("heads")
    (True, True, False)
    """
    if name in KNOWN:
        return True
    if not isinstance(name, str):
        return False
    return name in _tables() or _FORMAT.fullmatch(name) is not None or _of_coefficient(name) is not None


def symbol_info(name: str) -> SymbolInfo:
    """What a symbol of the table or of a number format stands for. Raises KeyError for another.

    >>> symbol_info("b_int4_g128").meaning
    'bytes of a weight in int4 g128, with its scales'
    """
    return KNOWN.get(name) or _tables().get(name) or _of_coefficient(name) or _of_format(name)


@cache
def _of_format(name: str) -> SymbolInfo:
    found = _FORMAT.fullmatch(name)
    if found is None:
        raise KeyError(name)
    words = found[1].replace("_", " ")
    unit, latex, meaning = _TABLE["open"]["b_FORMAT"]
    spaced = latex.replace("FORMAT", words.replace(" ", "\\,"))
    return SymbolInfo(name=name, kind="precision", unit=unit, meaning=meaning.replace("FORMAT", words), latex=spaced)


@cache
def _tables() -> Mapping[str, SymbolInfo]:
    """A measured table by its function's name: one figure in place of all its rows."""
    rows = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(MFU.glob("*.toml"))]
    return {
        row["function"]: SymbolInfo(
            name=row["function"], kind="calibration", unit=row["unit"], meaning=row["meaning"], latex=row["latex"]
        )
        for row in rows
    }


_COEFFICIENT = re.compile(r'\s+coefficient (\w+) +"([^"]*)".*"([^"]*)"')


@cache
def _coefficients() -> Mapping[str, tuple[str, str, str]]:
    """`COEFFICIENT_FORM` -> the coefficient, its unit and its meaning, of the forms of kernel time."""
    found: dict[str, tuple[str, str, str]] = {}
    form = ""
    for path in sorted((CALIBRATION / "forms").glob("*.form")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("form "):
                form = line.removeprefix("form ").partition("(")[0]
            elif row := _COEFFICIENT.match(line):
                found[f"{row[1]}_{form}"] = (row[1], row[2], f"{form.replace('_', ' ')}: {row[3]}")
    return found


def coefficient_symbol(coefficient: str, form: str, suffix: str = "") -> str:
    """The name of the symbol for a coefficient of a form of kernel time. suffix: number format or operation.

    >>> coefficient_symbol("em", "gemm_quantised", "fp8")
    'em_gemm_quantised_fp8'
    """
    return "_".join(filter(None, (coefficient, form, suffix)))


@cache
def _of_coefficient(name: str) -> SymbolInfo | None:
    """A symbol `COEFFICIENT_FORM` or `COEFFICIENT_FORM_SUFFIX`."""
    stem = name
    while stem and stem not in _coefficients():
        stem = stem.rpartition("_")[0]
    if not stem:
        return None
    coefficient, unit, meaning = _coefficients()[stem]
    form, kind = stem.removeprefix(f"{coefficient}_"), name[len(stem) :].strip("_")
    suffix = kind.replace("_", " ")
    letter = _TABLE["coefficient"].get(coefficient) or subscripted(coefficient)
    latex = f"{letter}^{{{kernel_sign(form, kind)}}}"
    said = f"{meaning} ({suffix})" if suffix else meaning
    return SymbolInfo(name=name, kind="calibration", unit=unit, meaning=said, latex=latex)


def kernel_sign(form: str, kind: str) -> str:
    """The superscript of the coefficients of a kernel. kind: number format or operation.

    >>> kernel_sign("gemm_quantised", "fp8")
    '\\\\mathrm{gemm,fp8}'
    """
    signs = _TABLE["kernel"].get(form, form), _TABLE["measured_as"].get(kind, kind)
    return "\\mathrm{" + ",".join(filter(None, signs)).replace("_", "\\,") + "}"


def weight_symbol(format_name: str) -> str:
    """The name of the symbol for the bytes of a weight in a number format.

    >>> weight_symbol("int4 g128"), weight_symbol("bf16")
    ('b_int4_g128', 'b_bf16')
    """
    return f"b_{format_name.replace(' ', '_')}"


@cache
def symbol(name: str) -> Symbol:
    """The Symbol of a known name: positive, integer where its table says so.

    >>> symbol("B").is_integer, symbol("hbm_bandwidth").is_positive
    (True, True)
    """
    info = symbol_info(name)
    if info.zero:  # a positive symbol would decide its own condition
        return Symbol(name, integer=True)
    return Symbol(name, integer=True, positive=True) if info.integer else Symbol(name, positive=True)


@cache
def symbol_or_zero(name: str) -> Symbol:
    """The Symbol of a known name where it may also be zero, as of a step that an iteration does not hold."""
    found = symbol(name)
    return Symbol(name, integer=True, nonnegative=True) if KNOWN[name].kind == "workload" else found


@cache
def architecture_symbol(name: str) -> Symbol:
    """The Symbol of a model's own size. It may be zero (no shared experts), so it is only nonnegative."""
    return Symbol(name, integer=True, nonnegative=True)


def named_symbol(name: str) -> Symbol:
    """The Symbol of a name: of the table, of a number format, or else a model's own size."""
    return symbol(name) if is_symbol(name) else architecture_symbol(name)


@cache
def step_symbol(name: str, *, signed: bool = False) -> Symbol:
    """The Symbol of a named sub-term of a formula. signed: it may be below zero, as what is left of a capacity."""
    return Symbol(name, real=True) if signed else Symbol(name, nonnegative=True)


def is_signed(symbol: Symbol) -> bool:
    """Whether a symbol may be below zero: only steps that say so (inputs are never, whatever sympy may assume)."""
    return symbol.is_nonnegative is None and symbol.is_real is True and not symbol.is_integer


@cache
def table_function(name: str) -> type[sympy.Function]:
    """An applied look-up stays opaque in formulas, e.g. mfu_gemm(m, k, n); its value is bound at evaluation."""
    return sympy.Function(name, positive=True)  # pyright: ignore[reportReturnType]


@lru_cache(maxsize=8192)
def applied_look_ups(expr: Expr) -> frozenset[AppliedUndef]:
    """The applied look-ups of an expression. Cached: deployments of a model have most of their steps in common."""
    return frozenset(expr.atoms(AppliedUndef))


@lru_cache(maxsize=8192)
def symbol_names(expr: Expr) -> frozenset[str]:
    """The names of its symbols, cached likewise."""
    return frozenset(s.name for s in expr.free_symbols if isinstance(s, Symbol))


@lru_cache(maxsize=1024)
def one_if_any(count: Expr) -> Expr:
    """1 where a whole number is above zero, else 0; cached, as sympy takes its time to compare the two.

    >>> one_if_any(symbol("B")), one_if_any(symbol_or_zero("B") * symbol("Q"))
    (1, Min(1, B*Q))
    """
    return cast(Expr, sympy.Min(count, 1))


def substitute(expr: Expr, values: Mapping[Any, Expr]) -> Expr:
    """The expression with symbols or calls replaced.

    Maxima and minima are only evaluated when all their arms have become numbers: comparing symbolic arms is slow in
    sympy, and which arm binds is the reader's to see.
    """
    return _substituted(expr, values)


def _substituted(expr: Expr, values: Mapping[Any, Expr]) -> Expr:
    if expr in values:
        return values[expr]
    if not expr.args:
        return expr
    args = [_substituted(argument, values) for argument in cast(tuple[Expr, ...], expr.args)]
    if all(new is old for new, old in zip(args, expr.args, strict=True)):
        return expr
    return rebuilt(expr, args)


def rebuilt(expr: Expr, args: Sequence[Expr]) -> Expr:
    """The expression with other arguments; maxima of symbols and fractional powers of numbers as they stand."""
    if isinstance(expr, (sympy.Max, sympy.Min)) and len(set(args)) > 1 and not all(arg.is_Number for arg in args):
        return cast(Expr, expr.func(*args, evaluate=False))
    if isinstance(expr, sympy.Pow) and args[1].is_Rational and not args[1].is_Integer:
        return power(*args)
    return cast(Expr, expr.func(*args))


def subscripted(name: str) -> str:
    """LaTeX of an architecture symbol: the first letter, the rest as its subscript; longer names upright.

    >>> subscripted("rq"), subscripted("D"), subscripted("topk"), subscripted("L_full")
    ('r_{q}', 'D', '\\\\mathrm{topk}', 'L_{\\\\mathrm{full}}')
    """
    head, _, words = name.partition("_")
    if len(head) == 1 and len(words) > 1:
        spaced = words.replace("_", "\\,")
        return f"{head}_{{\\mathrm{{{spaced}}}}}"
    if len(name) > 3:
        return f"\\mathrm{{{name}}}"
    head, tail = name[0], name[1:].strip("_")
    if not tail:
        return head
    return f"{head}_{{{tail}}}" if len(tail) == 1 else f"{head}_{{\\mathrm{{{tail}}}}}"
