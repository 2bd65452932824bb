"""symsim flops: matrix-product FLOPs of one step of a model."""

from __future__ import annotations

from typing import Any

from symsim.algebra.units import format_quantity
from symsim.command.flags import add_model, write_json
from symsim.command.subject import add_phase, family_of
from symsim.pipeline.counts import flops
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("flops", help="matrix-product FLOPs of one step, exact; 2 per multiply-add")
    add_model(ask)
    add_phase(ask, "prefill")
    ask.add_argument("--batch", type=int, default=1, help="sequences")
    ask.add_argument("--seq", type=int, default=4096, help="prefill: new tokens of each; decode: its context")
    ask.add_argument("--past", type=int, default=0, help="tokens of each that are cached already")
    ask.add_argument("--logits", default="all", choices=["all", "last"], help="of all new tokens, or the last of each")
    ask.add_argument("--causal", action="store_true", help="only the pairs that the causal mask and windows keep")
    ask.set_defaults(command=_flops)


def _flops(*, model: str, graphs: list[str], fallback: bool, json: bool, **work: Any) -> int:
    found = flops(family_of(model, graphs, fallback=fallback), **work)
    if json:
        write_json(dict(found))
    else:
        rows = [(kind.replace("_", " "), f"{count:,}", format_quantity(count, "FLOP")) for kind, count in found.items()]
        write_table(("FLOPs", "", ""), [row for row in rows if row[1] != "0"])
    return 0
