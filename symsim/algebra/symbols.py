"""Where every sympy Symbol is born, with its assumptions, unit, LaTeX and meaning.

Names are the ones users type in queries and see in printed formulas.  Hardware symbols are named like the fields
of a device file; architecture symbols are named by the `config:` section of a model in graphs/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, cast

import sympy
from sympy import Expr, Symbol

SymbolKind = Literal["workload", "deployment", "flag", "hardware", "convention", "precision", "architecture", "step"]


@dataclass(frozen=True, slots=True)
class SymbolInfo:
    """What a symbol stands for. `unit` is the SI unit of its value ("1" for a pure number)."""

    name: str
    kind: SymbolKind
    unit: str
    meaning: str
    latex: str
    integer: bool = False


PRECISIONS = ("fp32", "bf16", "fp8", "int8", "fp4")
"""Precisions that may have a peak rate; a device's is the symbol `peak_PRECISION`."""


def _table(kind: SymbolKind, rows: list[tuple[str, str, str, str, bool]]) -> dict[str, SymbolInfo]:
    return {row[0]: SymbolInfo(row[0], kind, row[1], row[3], row[2], row[4]) for row in rows}


def _peak(precision: str) -> tuple[str, str, str, str, bool]:
    return f"peak_{precision}", "FLOP/s", f"P_{{\\mathrm{{{precision}}}}}", f"dense {precision} peak rate", False


_FIXED: Mapping[str, SymbolInfo] = {
    **_table(
        "workload",
        [
            ("B", "1", "B", "sequences decoded together on one GPU (decode batch)", True),
            ("S", "tokens", "S", "input length", True),
            ("O", "tokens", "O", "output length", True),
            ("T", "tokens", "T", "prefill tokens on one GPU in one iteration", True),
            ("C", "tokens", "C", "mean context length while decoding", True),
            ("Q", "tokens", "Q", "new tokens of one sequence in one step", True),
            ("past", "tokens", "H", "tokens in the cache before the prefill tokens of an iteration", True),
        ],
    ),
    **_table(
        "deployment",
        [
            ("world_size", "1", "N_{\\mathrm{GPU}}", "GPUs in the deployment", True),
            ("nodes", "1", "N_{\\mathrm{node}}", "nodes (servers) in the deployment", True),
            ("tp", "1", "p_{\\mathrm{tp}}", "tensor parallel size", True),
            ("cp", "1", "p_{\\mathrm{cp}}", "context parallel size", True),
            ("ep", "1", "p_{\\mathrm{ep}}", "expert parallel size", True),
            ("dp", "1", "p_{\\mathrm{dp}}", "data parallel size", True),
            ("pp", "1", "p_{\\mathrm{pp}}", "pipeline parallel size", True),
            (
                "sm_ratio",
                "1",
                "\\rho_{\\mathrm{SM}}",
                "share of SMs left to compute under two-batch overlap",
                False,
            ),
        ],
    ),
    **_table(
        "flag",
        [
            ("deepep", "1", "x_{\\mathrm{DeepEP}}", "1 when experts communicate through DeepEP", True),
            ("two_batch", "1", "x_{\\mathrm{TBO}}", "1 under two-batch overlap", True),
            ("prefill", "1", "x_{\\mathrm{prefill}}", "1 in the prefill phase", True),
            ("decode", "1", "x_{\\mathrm{decode}}", "1 in the decode phase", True),
        ],
    ),
    **_table(
        "hardware",
        [
            *map(_peak, PRECISIONS),
            ("hbm_bandwidth", "B/s", "W_{\\mathrm{HBM}}", "HBM bandwidth", False),
            ("hbm_efficiency", "1", "\\eta_{\\mathrm{HBM}}", "achievable share of HBM bandwidth", False),
            ("hbm_capacity", "B", "M_{\\mathrm{HBM}}", "HBM capacity of one GPU", False),
            ("nvlink_bandwidth", "B/s", "W_{\\mathrm{NVL}}", "NVLink bandwidth, one direction", False),
            (
                "nvlink_efficiency",
                "1",
                "\\eta_{\\mathrm{NVL}}",
                "achievable share of NVLink bandwidth",
                False,
            ),
            (
                "rdma_bandwidth",
                "B/s",
                "W_{\\mathrm{RDMA}}",
                "RDMA bandwidth of one GPU, one direction",
                False,
            ),
            ("rdma_efficiency", "1", "\\eta_{\\mathrm{RDMA}}", "achievable share of RDMA bandwidth", False),
            ("sm_count", "1", "N_{\\mathrm{SM}}", "streaming multiprocessors", True),
            ("clock", "Hz", "f_{\\mathrm{clock}}", "clock", False),
            ("clock_efficiency", "1", "\\eta_{\\mathrm{clock}}", "sustained share of the clock", False),
            ("cycles_fp8_to_half", "1", "c_{8\\to16}", "cycles of an SM to convert an element, fp8 to half", False),
            ("cycles_half_to_fp32", "1", "c_{16\\to32}", "cycles of an SM to convert an element, half to fp32", False),
            (
                "cycles_fp32_to_bf16",
                "1",
                "c_{32\\to\\mathrm{bf}}",
                "cycles of an SM to convert an element, fp32 to bf16",
                False,
            ),
            ("cycles_bf16_by_fp32", "1", "c_{\\mathrm{bf}\\cdot32}", "cycles of an SM to multiply bf16 by fp32", False),
            ("default_mfu", "1", "\\mu_0", "MFU where no table answers", False),
        ],
    ),
    **_table(
        "precision",
        [
            ("peak_w", "FLOP/s", "P_{w}", "peak rate at the precision of the weight GEMMs", False),
            ("b_w", "B", "b_{w}", "bytes of a weight", True),
            ("b_kv", "B", "b_{\\mathrm{kv}}", "bytes of a KV cache element", True),
            ("b_bf16", "B", "b_{\\mathrm{bf16}}", "bytes of a bf16 element", True),
            ("b_fp8", "B", "b_{\\mathrm{fp8}}", "bytes of an fp8 element", True),
            ("b_fp32", "B", "b_{\\mathrm{fp32}}", "bytes of an fp32 element", True),
        ],
    ),
    **_table(
        "convention",
        [
            ("causal_divisor", "1", "\\gamma", "divisor of full attention FLOPs for the causal mask", False),
            ("t_sched_prefill", "s", "t_{\\mathrm{sched}}", "scheduler time of a prefill iteration", False),
            ("t_sched_decode", "s", "t_{\\mathrm{sched}}", "scheduler time of a decode step", False),
            (
                "t_sched_hybrid",
                "s",
                "t_{\\mathrm{sched}}",
                "scheduler time of a hybrid model's decode step",
                False,
            ),
            ("reserve_runtime", "B", "M_{\\mathrm{run}}", "memory kept for the runtime", False),
            ("reserve_share", "1", "\\rho_{\\mathrm{free}}", "share of HBM kept free", False),
            ("reserve_encoder", "B", "M_{\\mathrm{enc}}", "memory kept for an encoder", False),
        ],
    ),
}

_FORMAT = re.compile(r"b_((?:[a-z]+_)*?[a-z]+\d\w*)")


@dataclass(frozen=True)
class _Known(Mapping[str, SymbolInfo]):
    """The fixed symbols, and `b_FORMAT` for every number format that weights may be stored in."""

    fixed: Mapping[str, SymbolInfo]

    def __getitem__(self, name: str) -> SymbolInfo:
        return self.fixed[name] if name in self.fixed else _of_format(name)

    def __contains__(self, name: object) -> bool:
        return name in self.fixed or (isinstance(name, str) and _FORMAT.fullmatch(name) is not None)

    def __iter__(self) -> Iterator[str]:
        return iter(self.fixed)

    def __len__(self) -> int:
        return len(self.fixed)


@cache
def _of_format(name: str) -> SymbolInfo:
    found = _FORMAT.fullmatch(name)
    if found is None:
        raise KeyError(name)
    words = found[1].replace("_", " ")
    spaced = words.replace(" ", "\\,")
    return SymbolInfo(
        name, "precision", "B", f"bytes of a weight in {words}, with its scales", f"b_{{\\mathrm{{{spaced}}}}}"
    )


def weight_symbol(format_name: str) -> str:
    """The name of the symbol for the bytes of a weight in a number format.

    >>> weight_symbol("int4 g128"), weight_symbol("bf16")
    ('b_int4_g128', 'b_bf16')
    """
    return f"b_{format_name.replace(' ', '_')}"


KNOWN: Mapping[str, SymbolInfo] = _Known(_FIXED)

LINKS = ("nvlink", "rdma")
WORKLOAD = ("B", "S", "O", "T")


@cache
def symbol(name: str) -> Symbol:
    """The Symbol of a known name: positive, integer where its table says so.

    >>> symbol("B").is_integer, symbol("hbm_bandwidth").is_positive
    (True, True)
    """
    if KNOWN[name].kind == "flag":  # may be zero: a positive symbol would decide its own condition
        return Symbol(name, integer=True)
    return Symbol(name, integer=True, positive=True) if KNOWN[name].integer else Symbol(name, positive=True)


@cache
def symbol_or_zero(name: str) -> Symbol:
    """The Symbol of a known name where it may also be zero, as of a step that an iteration does not hold."""
    found = symbol(name)
    return Symbol(name, integer=True, nonnegative=True) if KNOWN[name].kind == "workload" else found


@cache
def architecture_symbol(name: str) -> Symbol:
    """The Symbol of a model's own size. It may be zero (no shared experts), so it is only nonnegative."""
    return Symbol(name, integer=True, nonnegative=True)


@cache
def step_symbol(name: str) -> Symbol:
    """The Symbol of a named sub-term of a formula."""
    return Symbol(name, nonnegative=True)


@cache
def table_function(name: str) -> type[sympy.Function]:
    """An applied look-up stays opaque in formulas, e.g. mfu_gemm(m, k, n); its value is bound at evaluation."""
    return sympy.Function(name, positive=True)  # pyright: ignore[reportReturnType]


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
    if isinstance(expr, (sympy.Max, sympy.Min)) and len(set(args)) > 1 and not all(arg.is_Number for arg in args):
        return cast(Expr, expr.func(*args, evaluate=False))
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
