r"""Fitted coefficients of a section -> LaTeX: what each was fitted on, how far off it was, who measured, its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from symsim.algebra.symbols import kernel_sign
from symsim.cost.forms import named_form
from symsim.notation.layout import SymbolRow
from symsim.pipeline.fitted_kernels import FittedKernels
from symsim.publication.bibliography import kernel_keys, reference
from symsim.publication.section import Section
from symsim.render.latex_tables import breakable, setting, table
from symsim.tables.coefficients import Coefficients
from symsim.tables.engine_times import EngineTimes

_RUNNING = "\\xi"
"""What the rows of a running engine stand under: its factors on the times of kernels."""


def coefficients_section(section: Section) -> str:
    """A section about the coefficients of all formulas; empty where nothing is fitted."""
    fitted = section.costs.compiled.fitted
    rows = {} if fitted is None else fitted_rows(section, fitted)
    if fitted is None or not rows:
        return ""
    cites = section.cites
    runs = f", those of a running engine to runs published by{reference(cites['runs'])}" if cites["runs"] else ""
    opening = (
        "\\section{Coefficients}\\label{sec:coefficients}\nTimes of kernels are closed forms of their sizes."
        f" Their coefficients are fitted to times measured by{reference(cites['measured'])}{runs}."
        " Table~\\ref{tab:kernels} has what each form was fitted on, named by the superscript of its coefficients, and"
        " how far it was off where it was not: on shapes (of an engine: set-ups) that were left out of the fit."
        " Table~\\ref{tab:coefficients} has the values."
    )
    kernels = table(
        "Fitted forms. Error: of what was left out, in the median and of nine in ten; interval: nine in ten of what was"
        " left out lie within these factors of what is predicted.",
        "tab:kernels",
        (0.1, 0.22, 0.38, 0.1, 0.11),
        ("sign", "form", "fitted on", "error", "interval"),
        list(_kernels(rows, fitted)),
    )
    values = table(
        "Coefficients and their values.",
        "tab:coefficients",
        (0.14, 0.6, 0.2),
        ("symbol", "meaning", "value"),
        [_value(row, _fitted_value(fitted, name)) for name, row in rows.items()],
    )
    return "\n".join((opening, kernels, values))


def fitted_rows(section: Section, fitted: FittedKernels) -> Mapping[str, SymbolRow]:
    """Symbols of the formulas that were fitted to measurements, by kernel, those of an engine last."""
    rows = {row.info.name: row for layout in section.sheets.values() for row in layout.symbols}
    engine = {} if fitted.engine is None else fitted.engine.sets
    kernels = dict.fromkeys(fitted.sets[name][1] for name in rows if name in fitted.sets)
    ordered = [name for kernel in kernels for name in rows if name in fitted.sets and fitted.sets[name][1] == kernel]
    return {name: rows[name] for name in (*ordered, *(name for name in rows if name in engine))}


def _kernels(rows: Mapping[str, SymbolRow], fitted: FittedKernels) -> Iterator[str]:
    """A row a kernel, then a row a set of an engine's times."""
    counted = {(kernel.form, kernel.suffix): kernel for _, kernel in fitted.plan.kinds}
    sets = {kernel: found for found, kernel in (fitted.sets[name] for name in rows if name in fitted.sets)}
    for kernel, found in sets.items():
        sizes = ", ".join(named_form(found.form).text.sizes)
        form = breakable(f"{found.form.replace('_', ' ')} ({sizes})")
        ends = counted[kernel.form, kernel.suffix]
        sign = kernel_sign(kernel.form, kernel.suffix)
        yield f"${sign}$ & {form} & {_measured(found)} & {_error(found)} & {ends.low:.2g} to {ends.high:.3g}"
    times = {} if fitted.engine is None else fitted.engine.sets
    for one in {(times[name].engine, times[name].architecture): times[name] for name in rows if name in times}.values():
        on = f"{one.rows} runs of {one.setups} set-ups of {one.engine} on {one.architecture}"
        ends = f"{one.low:.2g} to {one.high:.3g}"
        yield f"${_RUNNING}$ & times of a running engine & {breakable(on)} & {_error(one)} & {ends}"


def _error(found: Coefficients | EngineTimes) -> str:
    return f"{100 * found.median:.2g}\\,\\%, {100 * found.p90:.2g}\\,\\%"


def _measured(found: Coefficients) -> str:
    which = (found.device, found.engine, found.version, found.kernel, found.dtype, found.operation)
    words = f"{found.rows} times of {found.groups} shapes; {', '.join(filter(None, which))}"
    return f"{breakable(words)}{reference(kernel_keys(found.kernel))}"


def _fitted_value(fitted: FittedKernels, name: str) -> float | None:
    """The value as it was fitted, of a coefficient of kernels."""
    if name not in fitted.sets:
        return None
    found, kernel = fitted.sets[name]
    stem = name.removesuffix(f"_{kernel.suffix}" if kernel.suffix else "").removesuffix(f"_{found.form}")
    return found.values[stem]


def _value(row: SymbolRow, as_fitted: float | None) -> str:
    value = float(row.value or 0)
    moved = as_fitted is not None and as_fitted != value
    note = f" ({breakable(row.source.note)})" if moved else ""
    return f"${row.info.latex}$ & {breakable(row.info.meaning)}{note} & {setting(value, row.info.unit)}"
