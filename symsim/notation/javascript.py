"""ClosedForm -> one self-contained function in JavaScript; measured tables travel inside it."""

from __future__ import annotations

from collections.abc import Collection

import sympy
from sympy import Expr
from sympy.printing.jscode import jscode

from symsim.algebra.code_printer import code
from symsim.algebra.symbols import WORKLOAD
from symsim.cost.derivation import Derivation
from symsim.formula.bound_tables import CarriedChunks
from symsim.formula.closed_form import ClosedForm
from symsim.formula.overrides import following_sizes
from symsim.notation.program_parts import ProgramParts, after_cached, comment, listed, meanings, program_parts
from symsim.tables.forms import StepTable, Table


def javascript_function(form: ClosedForm, subject: str, inputs: Collection[str] = (), *, steps: bool = False) -> str:
    """JavaScript source: one function that takes an object, `tpot({B: 64, S: 4096, O: 2048})`.

    inputs: what else it takes; what a call leaves out is as compiled. steps: it gives an object of every named step,
    or of the metric alone where the prompt is cut. Where a measured row cannot be used (its MFU is 0.000), or where the
    deployment is another kind of one, the result is NaN.
    """
    parts = program_parts(form, inputs)
    result = parts.derivation.result.symbol.name
    lines = [
        f"/** {comment(f'{parts.derivation.meaning} of {subject}')}.",
        *(f" *  {comment(sentence)}." for sentence in form.stand_ins),
        f" *  Unit: {form.unit}. {comment(meanings(parts))}. Derived by symsim. */",
        f"function {form.name}({{{', '.join(_input(parts, name) for name in parts.inputs)}}}) {{",
        "  const cell = (edges, x) => edges.filter((edge) => edge <= x).length;",
        "  const first = (gaps) => gaps.indexOf(Math.min(...gaps));",
        *_guards(parts, f"{{{result}: NaN}}" if steps else "NaN"),
        *(f"  {_javascript_table(name, table)}" for name, table in parts.tables.items()),
        *([] if parts.chunks is None else _javascript_longer(parts.chunks, result if steps else "")),
        *(_every_step(parts.derivation) if steps else _javascript_lines(parts.derivation, "  ")),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _input(parts: ProgramParts, name: str) -> str:
    """An argument, with the number that was compiled where there is one."""
    value = parts.form.bound.values.get(name)
    if value is None:
        return name
    return f"{name} = {int(value) if value.denominator == 1 else float(value)!r}"


def _guards(parts: ProgramParts, none: str) -> list[str]:
    """Where the formula does not hold for other inputs than the compiled ones; sizes that follow go with them."""
    numbers = {s: value for s, value in parts.form.bound.symbols().items() if s.name not in parts.inputs}
    changed = set(parts.inputs) - set(WORKLOAD)
    following = following_sizes(parts.inputs) - set(parts.inputs)
    spoken_of = {g: {s.name for s in g.symbols()} for g in parts.derivation.guards}
    guards = [g for g, names in spoken_of.items() if changed & names and not following & names]
    held = [g.condition if g.outcome else sympy.Not(g.condition) for g in guards]
    conditions = dict.fromkeys(jscode(condition.xreplace(numbers)) for condition in held)
    return [f"  if (!({condition})) return {none};" for condition in conditions if condition != "true"]


def _every_step(derivation: Derivation) -> list[str]:
    names = [step.symbol.name for step in derivation.steps]
    body = [f"  const {step.symbol.name} = {_code(step.expr)};" for step in derivation.steps]
    return [*body, f"  return {{{', '.join(names)}}};"]


def _code(expr: Expr) -> str:
    return code(expr, "javascript")


def _javascript_lines(derivation: Derivation, indent: str) -> list[str]:
    body = [f"{indent}const {s.symbol.name} = {_code(s.expr)};" for s in derivation.steps[:-1]]
    return [*body, f"{indent}return {_code(derivation.result.expr)};"]


def _javascript_longer(chunks: CarriedChunks, named: str) -> list[str]:
    """The chunks of a prompt that is longer than an iteration, one after another. named: the name of the result."""
    ranks, result = _code(chunks.ranks), chunks.then[-1].symbol.name if chunks.then else chunks.total
    before = after_cached(chunks, f"i * {ranks} * T")
    return [
        f"  if (S > {ranks} * T) {{",
        "    const chunk = (T, past) => {",
        *_javascript_lines(chunks.chunk, "      "),
        "    };",
        f"    let {chunks.total} = 0;",
        f"    for (let i = 0; i * {ranks} * T < S; i++)",
        f"      {chunks.total} += chunk(Math.min(T, S / {ranks} - i * T), {before});",
        *(f"    const {step.symbol.name} = {_code(step.expr)};" for step in chunks.then),
        f"    return {result};" if not named else f"    return {{{named}: {result}}};",
        "  }",
    ]


def _javascript_table(name: str, table: Table) -> str:
    arguments = ", ".join(table.axes)
    if isinstance(table, StepTable):
        index = "0"
        for axis, edges in zip(table.axes, table.edges, strict=True):
            if edges:
                index = f"({index}) * {len(edges) + 1} + cell([{listed(edges, 'NaN')}], {axis})"
        return f"const {name} = ({arguments}) => [{listed(table.values, 'NaN')}][{index}];"
    points = ", ".join(
        f"[{listed((*point, value), 'NaN')}]" for point, value in zip(table.points, table.values, strict=True)
    )
    distance = " + ".join(f"Math.abs(row[{i}] - {axis})" for i, axis in enumerate(table.axes))
    value = f"rows[at][{len(table.axes)}]"
    scaled = "" if table.scale is None else f" * {table.axes[table.scale]} / rows[at][{table.scale}]"
    return (
        f"const {name} = ({arguments}) => {{ const rows = [{points}]; "
        f"const at = first(rows.map((row) => {distance})); return {value}{scaled}; }};"
    )
