"""All grammars are LALR(1) and their terminals never overlap: lark's strict mode proves it."""

import pytest
from lark import Lark

from symsim.language.syntax import Indentation
from symsim.paths import GRAMMAR


@pytest.mark.parametrize(("name", "postlex"), [("graph", Indentation()), ("form", Indentation()), ("query", None)])
def test_strict(name: str, postlex: Indentation | None) -> None:
    Lark.open(str(GRAMMAR / f"{name}.lark"), parser="lalr", strict=True, postlex=postlex)
