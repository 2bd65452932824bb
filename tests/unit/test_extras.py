"""A library of an extra that is not there is named in one sentence, with what to install."""

import sys

import pytest

from symsim.errors import SymsimError
from symsim.inputs.extras import load_extra


def test_an_absent_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(SymsimError) as raised:
        load_extra("scipy.optimize", "fit", "fitting coefficients needs")
    assert str(raised.value) == "fitting coefficients needs scipy: pip install 'symsim-llm[fit]'"
