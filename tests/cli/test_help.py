"""Help, examples and completion: what a user sees before the first answer."""

import argparse
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from symsim.command.examples import EXAMPLES
from symsim.command.parsing import COMMAND_GROUPS, COMMANDS, parsed, parser_for
from tests.commands import run

NEEDS = {"fit": "runs", "new-model": "a config", "check-model": "transformers", "accuracy": "minutes"}
"""Commands whose examples take what a test has not; theirs are only read."""
ALL = [example for name in COMMANDS for example in EXAMPLES[name]]
ALIASES = ("--device-type", "--tp-size", "--use-fp8-gemm", "--use-fp8-kv", "--enable-deepep", "--enable-tbo")


def help_of(*words: str) -> str:
    done = run(*words, "--help")
    assert done.returncode == 0
    return done.stdout


def test_help_lists_every_command_once_below_its_group() -> None:
    listed = re.findall(r"^  ([a-z-]+)  +\S", help_of().partition("\noptions:")[0], re.MULTILINE)
    assert listed == [name for group in COMMAND_GROUPS.values() for name in group]
    assert "%%" not in help_of()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_ends_with_two_examples_of_it(name: str) -> None:
    *_, first, second = help_of(name).splitlines()
    assert first == f"  symsim {EXAMPLES[name][0]}"
    assert second == f"  symsim {EXAMPLES[name][1]}"
    assert all(example.startswith(f"{name} ") or example == name for example in EXAMPLES[name])


@pytest.mark.parametrize("example", ALL)
def test_an_example_is_read(example: str) -> None:
    parser, rest = parser_for(shlex.split(example.partition(" > ")[0]))
    assert "command" in parsed(parser, rest)


@pytest.mark.slow
@pytest.mark.parametrize("example", [example for example in ALL if example.split()[0] not in NEEDS])
def test_an_example_answers(example: str, tmp_path: Path) -> None:
    if "appendix.tex" in example:
        assert run(*shlex.split(EXAMPLES["paper"][0]), folder=tmp_path).returncode == 0
        example = example.replace("appendix.tex", "section/appendix.tex")
    done = run(*shlex.split(example.partition(" > ")[0]), folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_spellings_of_infersim_are_shown_by_simulate_only_and_taken_everywhere() -> None:
    shown = help_of("report")
    assert not [alias for alias in ALIASES if alias in shown]
    assert not [alias for alias in ALIASES if alias not in help_of("simulate")]
    words = ["report", "qwen3-8b", "--device-type", "H100", "--tp-size", "2", "--use-fp8-gemm", "--enable-tbo"]
    options = parsed(*parser_for(words))
    plain = parsed(
        *parser_for(["report", "qwen3-8b", "--device", "H100", "--tp", "2", "--gemm", "fp8", "--overlap", "two-batch"])
    )
    assert options == plain


def test_names_may_stand_between_flags() -> None:
    together = parsed(*parser_for(["compare", "h100", "h200", "--model", "qwen3-8b", "--metric", "ttft"]))
    assert parsed(*parser_for(["compare", "h100", "--model", "qwen3-8b", "--metric", "ttft", "h200"])) == together


def test_an_unknown_command_is_told_its_nearest() -> None:
    done = run("predct")
    assert done.returncode == 2
    assert "did you mean predict" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_completes_commands(shell: str) -> None:
    script = run("completion", shell).stdout
    assert "recommend" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_parsers_take_what_argparse_can_mix() -> None:
    for name in COMMANDS:
        parser, _ = parser_for([name])
        assert isinstance(parser, argparse.ArgumentParser)
        assert parser.prog == f"symsim {name}"
