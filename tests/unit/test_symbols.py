"""The table of symbols: every row is whole, and number formats are symbols too without being rows."""

import re
import subprocess
import sys

import pytest

from symsim.algebra.symbols import DEFAULTS, KNOWN, PRECISIONS, WORKLOAD, is_symbol, symbol, symbol_info
from symsim.algebra.units import parse_quantity
from symsim.serving.forms import letters


@pytest.mark.parametrize("name", list(KNOWN))
def test_every_row_has_a_unit_a_sign_and_a_meaning(name: str) -> None:
    info = symbol_info(name)
    assert info == KNOWN[name]
    assert info.meaning
    assert info.latex.count("{") == info.latex.count("}")
    prefixed = {"1": "2", "tokens": "2"}.get(info.unit, f"2 {info.unit}")
    assert parse_quantity(prefixed, info.unit) == 2
    assert symbol(name).is_integer is (True if info.integer else None)
    assert symbol(name).is_positive is (None if info.zero else True)


def test_every_letter_of_the_forms_of_serving_has_a_unit_a_sign_and_a_meaning() -> None:
    for name, of in letters().items():
        assert "" not in (of.unit, of.latex, of.meaning), name


def test_signs_of_one_kind_are_told_apart() -> None:
    own = [(info.kind, info.latex) for name, info in KNOWN.items() if not name.startswith("t_sched")]
    assert len(set(own)) == len(own)


def test_defaults_lie_in_their_ranges() -> None:
    assert tuple(DEFAULTS) == WORKLOAD == ("B", "S", "O", "T")
    for name, info in KNOWN.items():
        if info.default is not None:
            assert info.range is not None, name
            assert info.range[0] <= info.default <= info.range[1], name
        assert info.range is None or info.integer, name


def test_precisions_are_those_with_a_peak_from_wide_to_narrow() -> None:
    widths = [int(re.sub(r"\D", "", name)) for name in PRECISIONS]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("name", ["b_int4_g128", "b_mxfp4", "b_nvfp4", "b_q8_0"])
def test_a_number_format_is_a_symbol_and_no_row(name: str) -> None:
    assert is_symbol(name)
    assert name not in KNOWN
    assert name not in list(KNOWN)
    assert (symbol_info(name).kind, symbol_info(name).unit) == ("precision", "B")


@pytest.mark.parametrize("name", ["heads", "b_", "L_full", "x"])
def test_what_is_no_symbol(name: str) -> None:
    assert not is_symbol(name)
    with pytest.raises(KeyError):
        symbol_info(name)


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "symsim", "list", "symbols"], capture_output=True, text=True, check=True
    )
    assert "decode batch" in done.stdout
