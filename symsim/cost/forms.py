"""Forms of kernel time as expressions: text in calibration/forms, coefficients by name, sizes and amounts put in.

A form is seconds of one execution. Its roofline terms are `compute`, `memory` and `link`: what FLOPs, bytes of HBM and
messages take at the rates of the datasheet; coefficients say how far from them a kernel stays. Sources of the forms
stand in their files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import sympy
from sympy import Expr, Rational, Symbol

from symsim.algebra.powers import norm
from symsim.algebra.symbols import symbol
from symsim.errors import DataError, did_you_mean
from symsim.inputs.kept import kept
from symsim.language.form_text import NORM, Coefficient, KernelFormText, parse_kernel_forms
from symsim.language.symbolic import Scope, expression
from symsim.paths import CALIBRATION, display_path, read_text

HARDWARE_NAMES = ("hbm_bandwidth", "nvlink_bandwidth", "sm_count")
"""Symbols of the table that forms may name."""

OF_A_KERNEL = ("peak", "l2", "b_w", "b_a", "b_kv")
"""Besides: the peak of its products, bytes of L2, of a weight, of an activation and of an element of the cache."""

_ROOFLINE = {
    "flops": ("compute", "peak"),
    "bytes": ("memory", "hbm_bandwidth"),
    "sent": ("link", "nvlink_bandwidth"),
}
"""Amount -> the seconds that it takes, and at which rate."""


@dataclass(frozen=True, slots=True, eq=False)
class KernelForm:
    """A form, by its text; equal to itself only."""

    text: KernelFormText

    @property
    def name(self) -> str:
        return self.text.name

    @property
    def coefficients(self) -> Mapping[str, Coefficient]:
        return {row.name: row for row in self.text.coefficients}

    @property
    def fitted(self) -> tuple[Coefficient, ...]:
        """The coefficients that measurements choose."""
        return tuple(row for row in self.text.coefficients if not row.fixed)

    def ideal(self) -> Mapping[str, Expr]:
        """Coefficients with which the form is the roofline of the datasheet."""
        return {name: _number(row.ideal) for name, row in self.coefficients.items()}

    def constants(self) -> Mapping[str, Expr]:
        """Coefficients that are known beforehand."""
        return {name: _number(row.start) for name, row in self.coefficients.items() if row.fixed}

    def seconds(self, scope: Scope, amounts: Mapping[str, Expr] | None = None) -> Expr:
        """The time. scope: sizes, coefficients and numbers of the device by name; amounts: what stands in place of the
        form's own `flops`, `compute`, `bytes`, ...

        Raises UndefinedName at its place in the text.
        """
        return self.steps(scope, amounts)["time"]

    def steps(self, scope: Scope, amounts: Mapping[str, Expr] | None = None) -> Mapping[str, Expr]:
        """The same with its sizes, amounts and what else its text names. Raises UndefinedName at its place."""
        return _steps(self, frozenset(scope.items()), frozenset((amounts or {}).items()))

    def names(self) -> Mapping[str, Symbol]:
        """A positive Symbol for every size, coefficient and number of the device."""
        own = (*self.text.sizes, *self.coefficients, *OF_A_KERNEL)
        return {
            **{name: symbol(name) for name in HARDWARE_NAMES},
            **{name: Symbol(name, positive=True) for name in own},
        }


@lru_cache(maxsize=4096)
def _steps(
    form: KernelForm, scope: frozenset[tuple[str, Expr]], amounts: frozenset[tuple[str, Expr]]
) -> Mapping[str, Expr]:
    """Kinds of layers, steps and deployments have most operators in common: each is worked out once."""
    given = dict(amounts)
    values: dict[str, Expr] = {**dict(scope), **given, f"{NORM}()": norm}  # pyright: ignore[reportAssignmentType]
    for row in form.text.amounts:
        values[row.name] = given[row.name] if row.name in given else expression(row.value, values)
        if row.name in _ROOFLINE:
            seconds, rate = _ROOFLINE[row.name]
            values[seconds] = given[seconds] if seconds in given else values[row.name] / values[rate]
    return values


def _number(value: object) -> Expr:
    return sympy.oo if value is None else Rational(value)


@cache
def forms() -> Mapping[str, KernelForm]:
    """Name -> form, of every file in calibration/forms."""
    found: dict[str, KernelForm] = {}
    for path in sorted((CALIBRATION / "forms").glob("*.form")):
        for text in _parsed(read_text(path), display_path(path)):
            if text.name in found:
                raise DataError(f"{text.span}: form {text.name} is also in {found[text.name].text.span}")
            found[text.name] = KernelForm(text)
    return found


def _parsed(text: str, path: str) -> tuple[KernelFormText, ...]:
    """Kept between processes, as graphs are."""
    return kept(("kernel forms", text, path), lambda: parse_kernel_forms(text, path))


def named_form(name: str) -> KernelForm:
    """A form. Raises DataError with the nearest known names."""
    if name not in forms():
        raise DataError(f"there is no form {name}; {did_you_mean(name, forms())}")
    return forms()[name]


@cache
def array_form(name: str, free: tuple[str, ...] = ()) -> tuple[Callable[..., object], tuple[str, ...]]:
    """A form over NumPy arrays, and the names of its arguments. free: own amounts that are arguments as well."""
    expr, used = _free(name, free)
    return sympy.lambdify(list(used.values()), expr, modules="numpy", cse=True), tuple(used)


@cache
def numeric_slopes(name: str, free: tuple[str, ...] = ()) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """The same with its derivatives by the fitted coefficients, in their order: a list of arrays."""
    expr, used = _free(name, free)
    slopes = [expr.diff(used[row.name]) for row in named_form(name).fitted]
    return sympy.lambdify([used[argument] for argument in used], [expr, *slopes], modules="numpy", cse=True), tuple(
        used
    )


@cache
def array_steps(
    name: str, steps: tuple[str, ...], free: tuple[str, ...] = ()
) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Some steps or sizes of a form over NumPy arrays, as a list, and the names of the arguments."""
    found = _free_steps(name, free)
    asked = [found[step] for step in steps]
    used = sorted({s.name: s for expr in asked for s in expr.free_symbols if isinstance(s, Symbol)}.items())
    return sympy.lambdify([s for _, s in used], asked, modules="numpy"), tuple(argument for argument, _ in used)


def _free_steps(name: str, free: tuple[str, ...]) -> Mapping[str, Expr]:
    form = named_form(name)
    given = {amount: Symbol(amount, positive=True) for amount in free}
    return form.steps({**form.names(), **form.constants()}, given)


def _free(name: str, free: tuple[str, ...]) -> tuple[Expr, Mapping[str, Symbol]]:
    expr = _free_steps(name, free)["time"]
    used = {s.name: s for s in expr.free_symbols if isinstance(s, Symbol)}
    return expr, dict(sorted(used.items()))
