"""Every question of the two pages of examples is answered as it stands there: a sentence with units."""

import re
import shlex

import pytest

from symsim.cli import main
from symsim.paths import ROOT

TEXTS = {name: (ROOT / "examples" / f"{name}.md").read_text() for name in ("questions", "load_questions")}
ASKED = {name: re.findall(r"```console\n\$ symsim (solve .*)\n(.*)\n\.\.\.\n```", text) for name, text in TEXTS.items()}
EVERY = [asked for some in ASKED.values() for asked in some]


@pytest.mark.parametrize("name", TEXTS)
def test_there_are_twenty(name: str) -> None:
    assert len(ASKED[name]) == len(re.findall(r"^## \d+\. ", TEXTS[name], re.MULTILINE)) == 20


@pytest.mark.parametrize(("command", "sentence"), EVERY, ids=[command for command, _ in EVERY])
def test_answer(command: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(shlex.split(command))
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == sentence
    assert code == (1 if sentence.startswith("no ") else 0)
    assert "Traceback" not in err
    assert sentence.endswith(".")
