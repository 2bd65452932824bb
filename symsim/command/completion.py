"""symsim completion: a script by which a shell completes commands."""

from __future__ import annotations

from typing import Any

from symsim.command.flags import add_json, write_json
from symsim.inputs.extras import load_extra

SHELLS = ("bash", "zsh", "fish")


def add(commands: Any) -> None:
    ask = commands.add_parser("completion", help="a script by which your shell completes commands")
    ask.add_argument("shell", choices=SHELLS, help="the shell that is to read it")
    add_json(ask)
    ask.set_defaults(command=_completion)


def _completion(*, shell: str, json: bool) -> int:
    from symsim.command.parsing import every_parser

    shtab = load_extra("shtab", "completion", "completing in a shell needs")
    script = shtab.complete(every_parser(listing=None), shell)
    if json:
        write_json({"shell": shell, "script": script})
    else:
        print(script)
    return 0
