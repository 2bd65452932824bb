"""Help, examples and completion: what a user sees before the first answer."""

import argparse
import re
import shlex
import shutil
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


NEAREST = {
    "report qwen3-8b --devise h100": "no option --devise (did you mean --device",
    "report qwen3-8b --cost-model rooflin": "(did you mean roofline?)",
    "list modles": "(did you mean models",
    "report qwen3-8b h100": "nothing is expected where 'h100' stands",
}


@pytest.mark.parametrize("typed", NEAREST)
def test_what_no_command_takes_is_told_its_nearest(typed: str) -> None:
    done = run(*typed.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert NEAREST[typed] in done.stderr


COMPLETED = {
    "rep": "report",
    "report qwen3-8": "qwen3-8b",
    "report qwen3-8b --dev": "--device",
    "report --device h100 qwen3-8": "qwen3-8b",
    "solve qwen3-8b --device h100-": "h100-pcie",
    "report qwen3-8b --engine sg": "sglang",
    "report qwen3-8b --cost-model c": "calibrated",
    "formula qwen3-8b --metric ttf": "ttft",
    "list mod": "models",
}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_what_is_typed(shell: str, tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    script = tmp_path / f"symsim.{shell}"
    script.write_text(run("completion", shell).stdout)
    assert "report" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    if shell == "zsh":  # completes in a live editor only
        subprocess.run(["zsh", "-n", script], check=True)
        return
    told = subprocess.run([shell, "-c", _ASKED[shell].format(script)], capture_output=True, text=True, cwd=tmp_path)
    offered = dict(line.split("=", 1) for line in told.stdout.splitlines())
    assert {typed: words.split()[:1] for typed, words in offered.items()} == {
        typed: [word] for typed, word in COMPLETED.items()
    }


_BASH = "; ".join(
    f'COMP_WORDS=(symsim {typed}); COMP_CWORD={len(typed.split())}; _shtab_symsim; echo "{typed}=${{{{COMPREPLY[*]}}}}"'
    for typed in COMPLETED
)
_FISH = "; ".join(
    f'echo "{typed}="(complete -C "symsim {typed}" | string split -f1 \\t | head -1)' for typed in COMPLETED
)
_ASKED = {"bash": f"source {{}}; {_BASH}", "fish": f"source {{}}; {_FISH}"}


def test_parsers_take_what_argparse_can_mix() -> None:
    for name in COMMANDS:
        parser, _ = parser_for([name])
        assert isinstance(parser, argparse.ArgumentParser)
        assert parser.prog == f"symsim {name}"
