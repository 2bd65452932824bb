"""symsim check-model: our counts beside those of the real class of transformers, on the meta device."""

from __future__ import annotations

from typing import Any

from symsim.command.flags import add_model, note, write_json
from symsim.command.real_counts import count
from symsim.command.subject import family_of
from symsim.pipeline.counts import flops, params
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("check-model", help="compare with transformers (needs the `check` extra)")
    add_model(ask)
    ask.add_argument("--batch", type=int, default=2, help="sequences of the prefill whose FLOPs are compared")
    ask.add_argument("--seq", type=int, default=96, help="tokens of each")
    ask.set_defaults(command=_check)


def _check(*, model: str, graphs: list[str], fallback: bool, json: bool, batch: int, seq: int) -> int:
    family = family_of(model, graphs, fallback=fallback)
    ours, work = params(family), flops(family, batch=batch, seq=seq)
    theirs = count(family.config, batch, seq)
    rows = [
        ("parameters", ours.total, theirs.total),
        ("embedding", ours.embedding, theirs.embedding),
        ("LM head", ours.lm_head, theirs.lm_head),
        *((f"layer {i}", sum(layer.values()), n) for i, (layer, n) in enumerate(zip(ours.layers, theirs.layers))),  # noqa: B905
    ]
    if theirs.flops is not None:
        rows.append(("FLOPs without routed experts", work["total"] - work["routed_experts"], theirs.flops))
    unchecked = [f"FLOPs are not compared: {theirs.why}"] if theirs.why is not None else []
    if len(ours.layers) != len(theirs.layers):
        unchecked.append(f"layers are not compared: the class has no list of {len(ours.layers)} of them")
    note(unchecked)
    off = [row for row in rows if row[1] != row[2]]
    if json:
        write_json([{"what": what, "symsim": mine, "transformers": real} for what, mine, real in rows])
    else:
        shown = [row for row in rows if not row[0].startswith("layer") or row in off]
        head = ("", "symsim", "transformers", "off by")
        write_table(head, [(what, f"{a:,}", f"{b:,}", "exact" if a == b else f"{a - b:+,}") for what, a, b in shown])
    return 1 if off else 0
