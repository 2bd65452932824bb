"""symsim validate: the published set-ups, recomputed."""

from __future__ import annotations

from typing import Any

from symsim.command.flags import add_json, write_json
from symsim.infersim.published import compare_published
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("validate", help="recompute the published set-ups")
    add_json(ask)
    ask.set_defaults(command=_validate)


def _validate(*, json: bool) -> int:
    found = compare_published()
    if json:
        write_json([row.as_dict() for row in found])
    else:
        head = ("set-up (tokens/GPU/s)", "symsim", "reference", "measured", "error")
        cells = [(r.name, f"{r.ours:.0f}", str(r.reference), str(r.measured), f"{r.error:+.1%}") for r in found]
        write_table(head, cells)
    return 0 if all(row.same for row in found) else 1
