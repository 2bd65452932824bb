"""symsim cache: KV cache and state of one sequence, as a formula and in bytes."""

from __future__ import annotations

from typing import Any

from symsim.algebra.units import format_quantity
from symsim.api.formula import Formula
from symsim.command.flags import add_model, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_kv, family_of
from symsim.pipeline.cache_size import Cache, cache
from symsim.quantization.kv_cache import kv_layouts
from symsim.render.terminal import folding_width, write_table, write_text


def add(commands: Any) -> None:
    ask = commands.add_parser("cache", help="KV cache and state of one sequence")
    add_model(ask)
    add_kv(ask)
    add_at(ask, "lengths of the sequence", "S=4096,O=1024")
    ask.set_defaults(command=_cache)


def _cache(*, model: str, graphs: list[str], fallback: bool, json: bool, kv: str, kv_layout: str, at: str) -> int:
    found = cache(family_of(model, graphs, fallback=fallback), kv=kv, kv_layout=kv_layout)
    point = {name: value for name, value in workload_point(at).items() if name in ("S", "O")}
    if json:
        formula = Formula(found.form).to_latex()
        write_json({**found.as_dict(), "at": point, "per_request": found.per_request(**point), "formula": formula})
        return 0
    write_text(Formula(found.form).to_text(width=folding_width()))
    lengths = ", ".join(f"{name} = {value}" for name, value in point.items())
    rows = [("of a token", found.per_token)]
    rows += [(f"of a token, beyond {tokens} tokens", count) for tokens, count in _beyond(found)]
    rows += [("state of a sequence", found.state)] if found.state else []
    rows += [(f"of a sequence at {lengths}", found.per_request(**point))]
    print()
    if found.layout is not None:
        layout = kv_layouts()[found.layout]
        print(f"layout {layout.name}: {layout.meaning} ({layout.source})")
    write_table(("bytes", "", ""), [(name, f"{count:,}", format_quantity(count, "B")) for name, count in rows])
    return 0


def _beyond(found: Cache) -> list[tuple[int, float]]:
    """Tokens after which windows hold no more, shortest first, and what each further token still takes."""
    left, rows = found.per_token, list[tuple[int, float]]()
    for tokens, count in sorted(found.windows.items()):
        left -= count
        rows.append((tokens, left))
    return rows
