"""ClosedForm -> one self-contained function in C99 or an Excel cell; measured tables travel inside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from sympy import Symbol

from symsim.algebra.code_printer import code
from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError, did_you_mean
from symsim.formula.bound_tables import CarriedChunks
from symsim.formula.closed_form import ClosedForm
from symsim.notation.program_parts import after_cached, comment, listed, meanings, program_parts, scale_factor
from symsim.tables.forms import Nearest, StepTable, Table


def c_function(form: ClosedForm, subject: str) -> str:
    """C99 source: a static function for each table, then `double METRIC(double B, ...)`.

    It needs <math.h> only. Where a measured row cannot be used (its MFU is 0.000) the result is NaN.
    """
    parts = program_parts(form)
    derivation, tables, inputs, chunks = parts.derivation, parts.tables, parts.inputs, parts.chunks
    head = [
        f"/* {comment(f'{derivation.meaning} of {subject}')}.",
        *(f"   {comment(sentence)}." for sentence in form.stand_ins),
        f"   Unit: {form.unit}. {comment(meanings(parts))}. Derived by symsim. */",
        "#include <math.h>",
        "",
    ]
    functions = [_c_table(name, table) for name, table in tables.items()]
    body = _c_lines(derivation)
    arguments = ", ".join(f"double {name}" for name in inputs)
    cut = (
        []
        if chunks is None
        else ["", "static double chunk(double T, double past) {", *_c_lines(chunks.chunk, ("T", "past")), "}"]
    )
    longer = [] if chunks is None else _c_longer(chunks)
    text = "\n".join([*cut, *longer, *body])
    head += [line for name, line in _C_EXTREMES.items() if f"{name}(" in text]
    return "\n".join([*head, *functions, *cut, "", f"double {form.name}({arguments}) {{", *longer, *body, "}"]) + "\n"


def _c_lines(derivation: Derivation, given: Sequence[str] = ()) -> list[str]:
    """The body of a function. given: arguments that it may leave out."""
    body = [f"    const double {s.symbol.name} = {code(s.expr, 'c')};" for s in derivation.steps[:-1]]
    used = {s.name for step in derivation.steps for s in step.expr.free_symbols if isinstance(s, Symbol)}
    unused = [f"    (void){name};" for name in given if name not in used]
    return [*unused, *body, f"    return {code(derivation.result.expr, 'c')};"]


def _c_longer(chunks: CarriedChunks) -> list[str]:
    """The chunks of a prompt that is longer than an iteration, one after another."""
    ranks, result = code(chunks.ranks, "c"), chunks.then[-1].symbol.name if chunks.then else chunks.total
    before = after_cached(chunks, f"i * {ranks} * T")
    return [
        f"    if (S > {ranks} * T) {{",
        f"        double {chunks.total} = 0.0;",
        f"        for (double i = 0.0; i * {ranks} * T < S; i++)",
        f"            {chunks.total} += chunk(smaller(T, S / {ranks} - i * T), {before});",
        *(f"        const double {step.symbol.name} = {code(step.expr, 'c')};" for step in chunks.then),
        f"        return {result};",
        "    }",
    ]


_C_EXTREMES = {  # unlike fmax and fmin these pass NaN on
    "larger": "static double larger(double a, double b) { return a > b || a != a ? a : b; }",
    "smaller": "static double smaller(double a, double b) { return a < b || a != a ? a : b; }",
}


def _c_table(name: str, table: Table) -> str:
    arguments = ", ".join(f"double {axis}" for axis in table.axes)
    lines = [f"\nstatic double {name}({arguments}) {{"]
    if isinstance(table, StepTable):
        lines.append(f"    static const double grid[] = {{{listed(table.values, 'NAN')}}};")
        index = "0"
        for axis, edges in zip(table.axes, table.edges, strict=True):
            if not edges:
                continue
            lines.append(f"    static const double {axis}_edges[] = {{{listed(edges, 'NAN')}}};")
            lines.append(f"    int {axis}_cell = 0;")
            test = f"{axis}_cell < {len(edges)} && {axis}_edges[{axis}_cell] <= {axis}"
            lines.append(f"    while ({test}) {axis}_cell++;")
            index = f"({index}) * {len(edges) + 1} + {axis}_cell"
        unused = [f"    (void){axis};" for axis, edges in zip(table.axes, table.edges, strict=True) if not edges]
        return "\n".join([*lines, *unused, f"    return grid[{index}];", "}"])
    for axis, column in zip(table.axes, zip(*table.points, strict=True), strict=True):
        lines.append(f"    static const double {axis}_at[] = {{{listed(column, 'NAN')}}};")
    distance = " + ".join(f"fabs({axis}_at[i] - {axis})" for axis in table.axes)
    lines += [
        f"    static const double values[] = {{{listed(table.values, 'NAN')}}};",
        "    int at = 0;",
        "    double least = INFINITY;",
        f"    for (int i = 0; i < {len(table.values)}; i++) {{",
        f"        const double distance = {distance};",
        "        if (distance < least) { least = distance; at = i; }",
        "    }",
        f"    return values[at]{scale_factor(table, '{axis} / {axis}_at[at]')};",
        "}",
    ]
    return "\n".join(lines)


def excel_formula(form: ClosedForm, cells: Mapping[str, str] | None = None) -> str:
    """One cell formula (Excel 365, Google Sheets: it uses LET). cells: where each input stands; default A1, B1, ...

    Names end in an underscore, as Excel takes some letters for references. Unusable rows give #N/A, and so does a
    prompt that is longer than an iteration where its time is the sum over chunks.
    Raises SymsimError where `cells` names what is no input, or holds anything but a reference to one cell.
    """
    parts = program_parts(form)
    derivation, tables, inputs, chunks = parts.derivation, parts.tables, parts.inputs, parts.chunks
    where = {name: f"{column}1" for name, column in zip(inputs, "ABCDEFGH", strict=False)}
    for name, cell in (cells or {}).items():
        where[name] = _cell(name, cell, inputs)
    inline = {name: _excel_table(table) for name, table in tables.items()}
    pairs = [f"{s.symbol.name}_,{code(s.expr, 'excel', inline)}" for s in derivation.steps[:-1]]
    result = code(derivation.result.expr, "excel", inline)
    if chunks is not None:  # a cell has no sum over chunks that every program knows: better none than a wrong number
        result = f"IF(S_>{code(chunks.ranks, 'excel')}*T_,NA(),{result})"
    steps = ",".join([*pairs, result]).replace(" ", "")
    return f"=LET({''.join(f'{name}_,{cell},' for name, cell in where.items())}{steps})"


_SHEET = r"(?:\w[\w.]*|'(?:[\w .,&()+-]|'')+')"
_CELL = re.compile(rf"(?:{_SHEET}!)?(?:\$?[A-Z]{{1,3}}\$?[1-9]\d{{0,6}}|[A-Za-z_][\w.]*)", re.ASCII | re.IGNORECASE)


def _cell(name: str, cell: str, inputs: Sequence[str]) -> str:
    """The cell where an input stands: A1, $B$2, Sheet1!C3, 'My sheet'!D4 or a name given to a cell."""
    if name not in inputs:
        raise SymsimError(f"cells: {name} is no input of this formula; {did_you_mean(name, inputs)}")
    if not _CELL.fullmatch(cell):
        raise SymsimError(f"cells: {name} = {cell!r} is no cell; expected e.g. A1, $B$2, 'My sheet'!C3 or a name")
    return cell


def _excel_table(table: Table) -> Callable[..., str]:
    def written(*arguments: str) -> str:
        if isinstance(table, Nearest):
            columns = list(zip(*table.points, strict=True))
            gaps = [f"ABS({{{listed(c, 'NA()')}}}-{x})" for c, x in zip(columns, arguments, strict=True)]
            found = "MATCH(MIN(d_),d_,0)"
            value = f"INDEX({{{listed(table.values, 'NA()')}}},{found})"
            scale = (
                ""
                if table.scale is None
                else (f"*{arguments[table.scale]}/INDEX({{{listed(columns[table.scale], 'NA()')}}},{found})")
            )
            return f"LET(d_,{'+'.join(gaps)},{value}{scale})"
        index = "0"
        for edges, x in zip(table.edges, arguments, strict=True):
            if edges:
                index = f"({index})*{len(edges) + 1}+MATCH({x},{{-1E+99,{listed(edges, 'NA()')}}},1)-1"
        return repr(table.values[0]) if index == "0" else f"INDEX({{{listed(table.values, '#N/A')}}},{index}+1)"

    return written
