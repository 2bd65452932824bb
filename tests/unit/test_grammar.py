"""All grammars are LALR(1) and their terminals never overlap: lark's strict mode proves it."""

import pytest
from lark import Lark

from symsim.language.query_text import phrases
from symsim.language.syntax import Indentation
from symsim.paths import GRAMMAR


@pytest.mark.parametrize(
    ("name", "postlex", "more"), [("graph", Indentation(), ""), ("form", Indentation(), ""), ("query", None, phrases())]
)
def test_strict(name: str, postlex: Indentation | None, more: str) -> None:
    path = GRAMMAR / f"{name}.lark"
    Lark(f"{path.read_text()}\n{more}\n", source_path=str(path), parser="lalr", strict=True, postlex=postlex)
