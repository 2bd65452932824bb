"""symsim completion: a script by which a shell completes commands, options and what is bundled."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
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
    parser, completed = every_parser(listing=""), _completed()
    for option in _options(parser):
        kind = _KINDS.get(option.dest, "file" if option.metavar in _FILES else "")
        if kind and not option.choices:
            option.complete = shtab.FILE if kind == "file" else completed[kind]  # type: ignore[attr-defined]
    script = shtab.complete(parser, shell)
    if json:
        write_json({"shell": shell, "script": script})
    else:
        print(script)
    return 0


_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("model", "of", "a", "b"), "models"),
    "device": "devices",
    "engine": "engines",
}
"""What is parsed -> of which bundled things it is one; a file may stand in its place."""

_FILES = frozenset({"FILE", "PATH", "DIR", "RUNS"})


def _options(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Options and positions of every command."""
    for option in parser._actions:  # pyright: ignore[reportPrivateUsage] - shtab reads the same
        if isinstance(option, argparse._SubParsersAction):  # pyright: ignore[reportPrivateUsage]
            for command in option.choices.values():
                yield from _options(command)
        else:
            yield option


def _completed() -> Mapping[str, Mapping[str, Any]]:
    """Kind -> in each shell what completes it: a function that is written once, and calls no symsim."""
    from symsim.inputs.device import bundled_devices
    from symsim.inputs.engine import bundled_engines
    from symsim.inputs.model_names import bundled

    names = {"models": list(bundled()), "devices": bundled_devices(), "engines": bundled_engines()}
    return {kind: _functions(f"_symsim_{kind}", " ".join(words)) for kind, words in names.items()}


def _functions(function: str, words: str) -> Mapping[str, Any]:
    """A function for each shell that offers words and files, as shtab takes it."""
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function}; __fish_complete_path)",
        "preamble": {
            "bash": f'{function}() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
            "zsh": f"{function}() {{ compadd -- {words}; _files }}",
            "fish": f"function {function}; string split ' ' '{words}'; end",
        },
    }
