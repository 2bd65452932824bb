"""Both grammars are LALR(1) and their terminals never overlap: lark's strict mode proves it."""

import pytest
from lark import Lark

from symsim.paths import GRAMMAR
from symsim.syntax import _Indentation


@pytest.mark.parametrize(("name", "postlex"), [("graph", _Indentation()), ("query", None)])
def test_strict(name: str, postlex: _Indentation | None) -> None:
    Lark.open(str(GRAMMAR / f"{name}.lark"), parser="lalr", strict=True, postlex=postlex)
