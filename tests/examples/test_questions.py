"""Every question of examples/questions.md is answered as it stands there: a sentence with units."""

import re
import shlex

import pytest

from symsim.cli import main
from symsim.paths import ROOT

TEXT = (ROOT / "examples" / "questions.md").read_text()
ASKED = re.findall(r"```console\n\$ symsim (solve .*)\n(.*)\n\.\.\.\n```", TEXT)


def test_there_are_twenty() -> None:
    assert len(ASKED) == len(re.findall(r"^## \d+\. ", TEXT, re.MULTILINE)) == 20


@pytest.mark.parametrize(("command", "sentence"), ASKED, ids=[command for command, _ in ASKED])
def test_answer(command: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(shlex.split(command))
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == sentence
    assert code == (1 if sentence.startswith("no ") else 0)
    assert "Traceback" not in err
    assert sentence.endswith(".")
