"""Numbers put in place of a formula's own: what follows them, how tables follow them, and what only compiling changes.

The rule is that a formula evaluated with another number is what compiling with that number gives, or is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.errors import DeploymentError
from symsim.formula.binding import WIDTHS, Numbers
from symsim.tables.table import TableContext


def followers(bound: Numbers, names: Collection[str]) -> Mapping[str, str]:
    """Symbol -> the overridden one whose number it takes: peaks that are one figure of the device."""
    found: dict[str, str] = {}
    for name in names:
        leader = bound.same.get(name, name)
        alike = {leader, *(other for other, of in bound.same.items() if of == leader)}
        found |= {other: name for other in alike if other not in names and other in bound.values}
    return found


def check_values(bound: Numbers, columns: frozenset[str], values: Mapping[str, float]) -> None:
    """Raise DeploymentError for a number that only compiling can change. columns: figures that choose rows."""
    changed = [name for name, value in values.items() if bound.values.get(name, value) != value]
    for name in changed:
        _check_compiled(bound, name)
        leader = bound.same.get(name)
        if leader is not None and values.get(leader, values[name]) != values[name]:
            raise DeploymentError(f"{name} and {leader} are one figure of the device; state one of them")
    if "b_kv" in changed and "b_kv" in columns and values["b_kv"] not in WIDTHS.values():
        widths = ", ".join(f"{width} ({name})" for name, width in WIDTHS.items())
        raise DeploymentError(
            f"b_kv = {values['b_kv']}: tables have rows by the precision of the KV cache, which is one of {widths}"
        )


def check_arrays(bound: Numbers, columns: frozenset[str], names: Collection[str]) -> None:
    """Raise DeploymentError for a symbol that cannot be an array: only compiling changes it, or it chooses rows."""
    for name in (*names, *followers(bound, names)):
        if name in names:
            _check_compiled(bound, name)
        if name in columns:
            raise DeploymentError(f"measured rows are chosen by {name}; evaluate its values one by one")


def _check_compiled(bound: Numbers, name: str) -> None:
    leader = bound.same.get(name)
    if leader is not None and name != "peak_w":
        raise DeploymentError(f"{name} stands for {leader}: {bound.sources[name]}; change {leader} instead")
    if is_symbol(name) and symbol_info(name).kind == "precision" and name not in ("b_kv", "peak_w"):
        raise DeploymentError(
            f"{name} follows from the formats of a deployment; compile with another precision instead"
        )


def tables_for(
    bound: Numbers, columns: frozenset[str], values: Mapping[str, float], context: TableContext
) -> TableContext:
    """What binds tables when numbers are overridden: rows of another KV precision, fallbacks of another datasheet."""
    values = {**values, **{name: values[leader] for name, leader in followers(bound, values).items()}}
    changed = {name for name in columns & values.keys() if values[name] != bound.values.get(name)}
    if not changed:
        return context
    if "b_kv" in changed:
        context = replace(context, kv=next(name for name, width in WIDTHS.items() if width == values["b_kv"]))
    if context.figures is None:
        return context
    ratios = {name: float(values[name]) / float(bound.values[name]) for name in changed - {"b_kv"}}
    return replace(context, figures=tuple((name, figure * ratios.get(name, 1.0)) for name, figure in context.figures))


def following_sizes(names: Collection[str]) -> frozenset[str]:
    """Sizes of a deployment that are others where these are, unless they are stated, too."""
    moved = {"world_size", "tp", "pp", "cp"} & set(names)
    return frozenset(("world_size", "nodes", "dp", "ep", "moe_tp") if moved else ())
