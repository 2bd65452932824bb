"""The page of the pipeline says what is so: its functions are there, and return the types that it names."""

import importlib
import inspect
import re
from typing import Any

import pytest

from symsim.paths import ROOT
from tests.package_ranks import RANK

PAGE = ROOT / "docs" / "explanation" / "pipeline.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="needs the source checkout, which holds the pages")
TEXT = PAGE.read_text() if PAGE.is_file() else ""
STAGES = re.findall(r"^\| [^|]+ \| `([\w.]+)` \| [^|]+ \| `(\w+)` \|", TEXT, re.MULTILINE)


def function(dotted: str) -> Any:
    """A function of a module, or a method of a class of one."""
    module, _, name = dotted.rpartition(".")
    owner = module.rpartition(".")[2]
    if owner[0].isupper():
        return getattr(function(module), name)
    return getattr(importlib.import_module(f"symsim.{module}"), name)


@pytest.mark.parametrize(("dotted", "returned"), STAGES, ids=[dotted for dotted, _ in STAGES])
def test_a_stage_returns_what_the_page_says(dotted: str, returned: str) -> None:
    annotation = str(inspect.signature(function(dotted)).return_annotation)
    assert re.search(rf"\b{returned}\b", annotation), annotation


def test_the_page_has_the_stages() -> None:
    assert len(STAGES) >= 15


def test_the_strokes_hold_every_package_in_order() -> None:
    strokes = re.findall(r"^\| [A-Z]+ \|(.*)\|$", TEXT, re.MULTILINE)
    listed = [name for row in strokes for name in re.findall(r"`(\w+)`", row)]
    packages = {path.parent.name for path in (ROOT / "symsim").glob("*/__init__.py")}
    assert set(listed) == packages
    assert sorted(listed, key=RANK.__getitem__) == listed
