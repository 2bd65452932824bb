"""The guide "add a device" does what it says: its file and its commands are run in a temporary folder."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from symsim.inputs.device import load_device
from symsim.paths import HARDWARE

GUIDE = (HARDWARE / "README.md").read_text()
FILES = re.findall(r"`([\w-]+\.toml)`:\n\n```toml\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.findall(r"```console\n\$ symsim (.*?)\n(.*?)```", GUIDE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_guide_has_a_file_and_commands_that_use_it() -> None:
    assert [name for name, _ in FILES] == ["mine.toml"]
    assert any("mine.toml" in command for command, _ in COMMANDS)


def test_the_file_is_a_device(folder: Path) -> None:
    device = load_device(folder / "mine.toml")
    assert (device.key, device.precisions, device.gpus_per_node) == ("MINE", ("bf16", "fp8"), 8)
    assert device.assumed == {"rdma_bandwidth"}


@pytest.mark.parametrize(("command", "shown"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_commands_print_what_the_guide_shows(folder: Path, command: str, shown: str) -> None:
    arguments = [sys.executable, "-m", "symsim.cli", *shlex.split(command)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=folder)
    refused = shown.startswith("symsim: ")
    assert done.returncode == (2 if refused else 0), done.stderr
    printed = done.stderr if refused else done.stdout
    text = "\n".join(line.rstrip() for line in printed.splitlines()) + "\n"
    assert doctest.OutputChecker().check_output(shown.replace("...\n", "..."), text, doctest.ELLIPSIS), text
