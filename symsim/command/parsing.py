"""What is typed: every command in its group, with a line, options and examples."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from symsim.command.examples import EXAMPLES
from symsim.errors import SymsimError, did_you_mean, nearest_names
from symsim.language.words import command_like, meant, options_like, unstated, value_like

COMMAND_GROUPS: Mapping[str, tuple[str, ...]] = {
    "choose and size a deployment": ("recommend", "report", "predict", "solve", "sweep", "compare", "simulate"),
    "read the formula": ("formula", "regimes", "sensitivity", "verify", "graph", "kernel"),
    "look at a model": ("params", "flops", "cache", "new-model", "check-model"),
    "show others": ("paper", "page"),
    "measurements": ("accuracy", "fit", "validate"),
    "symsim itself": ("list", "completion"),
}

COMMANDS: Mapping[str, str] = {
    name: "listing" if name == "list" else name.replace("-", "_") for group in COMMAND_GROUPS.values() for name in group
}
"""What is typed -> its module in symsim/command. Only the one that is asked for is imported: that starts sooner."""


class UsageError(SymsimError):
    """Flags that do not go together, or that no command has."""


class _Parser(argparse.ArgumentParser):
    """argparse, but a bad flag is answered with one sentence like any other bad input."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self._with_nearest(message)}; see {self.prog} --help")

    def _get_option_tuples(self, option_string: str) -> list[Any]:
        """What an abbreviation may stand for: spellings that no help shows only where no other begins so."""
        found: list[Any] = super()._get_option_tuples(option_string)
        return [one for one in found if one[0].help is not argparse.SUPPRESS] or found

    def as_here(self, words: Sequence[str]) -> list[str]:
        """What is typed, with options of other tools by their names here; what an option names that has a place stands
        there: a model first, a question last. Raises UsageError for what is said otherwise here."""
        own = self._option_string_actions
        found, first, last = list[str](), list[str](), list[str]()
        rest = iter(words)
        for word in rest:
            option, equals, value = word.partition("=")
            like = () if option in own or not option.startswith("--") else (f"{option}s", *options_like(option))
            here = next((one for one in like if one in own), None)
            if here is None and "--model" in like and self._has_place("model"):
                first = [value if equals else next(rest, "")]
            elif like and option == "--query" and self._has_place("query"):
                last = [value if equals else next(rest, "")]
            elif here is None and like and (said := unstated(option)) and not self._workload(option):
                self.error(f"there is no option {option}; {said}")
            else:
                found.append(word if here is None else f"{here}{equals}{value}")
        return [*filter(None, first), *found, *last]

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """A value of a choice by its name here, where other tools call it otherwise."""
        if action.choices is not None and action.nargs != argparse.PARSER:
            arg_strings = [word if word in action.choices else value_like(word) for word in arg_strings]
        return super()._get_values(action, arg_strings)

    def _has_place(self, name: str) -> bool:
        return any(one.dest == name and not one.option_strings for one in self._actions)

    def _with_nearest(self, message: str) -> str:
        """argparse's sentence, with the option or the value that is nearest to what is none."""
        choice = _INVALID_CHOICE.fullmatch(message)
        if choice is not None:
            near = nearest_names(choice["word"], [name.strip("' ") for name in choice["known"].split(",")])
        elif not message.startswith("unrecognized arguments: "):
            return message
        else:
            first, *values = message.removeprefix("unrecognized arguments: ").split()
            if not first.startswith("-"):
                near = self._stated_by(first)
                return f"nothing is expected where {first!r} stands" + f" (did you mean {near}?)" * bool(near)
            unknown, _, value = first.partition("=")
            message = f"there is no option {unknown}"
            if elsewhere := self._point(unknown, [value] if value else values):
                return f"{message}; {elsewhere}"
            options = [one.option_strings[-1] for one in self._actions if one.option_strings and one.help != HIDDEN]
            names = {option.lstrip("-"): option for option in options}
            near = [names[name] for name in nearest_names(unknown.lstrip("-"), names)]
        return f"{message} (did you mean {' or '.join(near)}?)" if near else message

    def _stated_by(self, word: str) -> str:
        """The option that a word without one is for; empty where none is."""
        own = self._option_string_actions
        name, equals, value = word.partition("=")
        if equals and f"--{name}" in own:
            return f"--{name} {value}"
        if equals:
            return next((f"{option} {word}" for option in ("--over", "--at") if option in own), "")
        if self._has_place("query"):
            return "the question in quotes"
        if "--device" in own and import_module("symsim.inputs.device").is_device(word):
            return "" if self._has_place("b") else f"--device {word}"  # two that are compared may be devices
        if "--model" in own:  # of those that have it, none takes a third name
            return f"--model {word}"
        if "--metric" in own:
            with suppress(SymsimError):
                return f"--metric {import_module('symsim.cost.metric_table').named_metric(word).flag}"
        return ""

    def _point(self, option: str, values: Sequence[str]) -> str:
        """How a symbol of the workload is stated that is given as an option; empty for what is none."""
        symbol, value = self._workload(option), values[0] if values else "..."
        if not symbol:
            return ""
        if self._has_place("query"):
            return f"the question states it: ... with {symbol} = {value}"
        return f"the workload is stated by --at {symbol}={value}"

    def _workload(self, option: str) -> str:
        """The symbol of the workload that an option names, where a question or a point can state it."""
        if not self._has_place("query") and "--at" not in self._option_string_actions:
            return ""
        symbol = meant(option.strip("-"))
        return symbol if len(symbol) == 1 else ""  # those of the workload are letters


HIDDEN = argparse.SUPPRESS
_INVALID_CHOICE = re.compile(r".*invalid choice: '(?P<word>[^']*)' \(choose from (?P<known>.*)\)")


class _Commands:
    """What a command's module adds its parser to: its line is also the head of its help, examples are the foot."""

    def __init__(self, subparsers: Any) -> None:
        self.subparsers, self.lines = subparsers, dict[str, str]()

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:
        self.lines[name] = help.replace("%%", "%")
        examples = "\n".join(f"  symsim {example}" for example in EXAMPLES[name])
        raw = argparse.RawDescriptionHelpFormatter
        line = f"{help[0].upper()}{help[1:]}.".replace("%%", "%")
        return self.subparsers.add_parser(
            name, help=help, description=line, epilog=f"examples:\n{examples}", formatter_class=raw
        )


def parser_for(words: Sequence[str], version: str = "") -> tuple[_Parser, Sequence[str]]:
    """The parser of the command that is asked for and the words that are left; of all of them where none is."""
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    asked = next((word for word in words if not word.startswith("-")), None)
    if asked is not None and asked not in COMMANDS:
        like = command_like(asked)
        near = did_you_mean(asked, COMMANDS) if like is None else f"did you mean symsim {like}?"
        raise UsageError(f"there is no command {asked!r} ({near}); see symsim --help")
    if asked is None or words[0] != asked:
        return every_parser(version), words
    _, commands = _parsers([asked])
    return commands[asked], words[1:]


def every_parser(version: str = "", listing: str | None = argparse.SUPPRESS) -> _Parser:
    """The parser of all commands; its help lists them in groups. listing: what it says besides of them."""
    return _parsers(list(COMMANDS), version, listing)[0]


def parsed(parser: _Parser, words: Sequence[str]) -> dict[str, Any]:
    """The options of a command. Names may stand between flags (`compare A --metric ttft B`)."""
    words = parser.as_here(words)
    if "--" in words or parser.prog == "symsim":  # argparse cannot mix those
        return vars(parser.parse_args(words))
    return vars(parser.parse_intermixed_args(words))


def _parsers(
    names: Sequence[str], version: str = "", listing: str | None = argparse.SUPPRESS
) -> tuple[_Parser, Mapping[str, Any]]:
    parser = _Parser(prog="symsim", usage="symsim COMMAND ...", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=version, help="print the version")
    added = parser.add_subparsers(required=True, metavar="COMMAND", help=listing, prog="symsim")
    commands = _Commands(added)
    for name in names:
        import_module(f"symsim.command.{COMMANDS[name]}").add(commands)
    for command in added.choices.values():
        notes = command.add_argument_group("notes on stderr")
        notes.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")
        notes.add_argument("--why", action="store_true", help="list every assumption that a summary stands for")
    parser.description = _overview(commands.lines)
    parser.epilog = "symsim COMMAND --help tells the options of a command, with examples."
    return parser, added.choices


def _overview(lines: Mapping[str, str]) -> str:
    said = ["A symbolic cost-model compiler for LLM inference."]
    for group, names in COMMAND_GROUPS.items():
        said += ["", f"{group}:", *(f"  {name:<12} {lines[name]}" for name in names if name in lines)]
    return "\n".join(said)
