"""The checker of cases reads commands and sentences as they are written, and judges what is wrong as wrong."""

import json
from pathlib import Path

import pytest

from tests.oracle.case_sentences import Asked, Figure, command_of, figures, judged
from tests.oracle.check_cases import check, counted


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("weights and cache 2,567,232 B (experts nvfp4)", [2567232.0]),
        ("85,520,809,984 B (81,559 MiB)", [85520809984.0, 85520809984.0]),
        ("142.25 GFLOP (or more)", [142.25e9]),
        ('{"hbm_capacity": 1.5e9}', [1.5e9]),
        ("3,850.25 B a token", [3850.25]),
    ],
)
def test_figures_of_a_text(text: str, values: list[float]) -> None:
    assert [figure.value for figure in figures(text)] == values


def test_a_figure_fits_what_is_printed_as_finely() -> None:
    (expected,) = figures("142.25 GFLOP")
    assert expected.fits(Figure(142246445056.0, 0.0, False))
    assert not expected.fits(Figure(787e9, 0.0, True))
    assert not expected.fits(next(figures("142 GFLOP"))), "three digits say too little"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("symsim solve m 'max B with S = 1 and O = 2'", "solve|M|max B with S = 1 and O = 2"),
        ("symsim formula m --pp 2 (cache of a sequence of 8,192, / 2)", "formula|M|--pp|2|--at|B=1,S=8191,O=1"),
        ("symsim formula m --tp 2 with 32 redundant experts", "formula|M|--tp|2|--redundant-experts|32"),
    ],
)
def test_the_command_in_a_text(command: str, words: str) -> None:
    asked = command_of(command, str.upper)
    assert asked is not None
    assert "|".join(asked.words) == words


def test_prose_is_no_command() -> None:
    assert command_of("TPOT of a model with drafts", str) is None


def test_answers_are_judged() -> None:
    flops = Asked(("flops", "qwen3-8b", "--seq", "128"))
    assert judged(flops, "attention 9,663,676,416 (all pairs)")[0] is True
    assert judged(flops, "attention 9,663,676,417 (all pairs)")[0] is False
    assert judged(Asked(("flops", "no-such-model")), "attention 9,663,676,416")[0] is None
    assert judged(flops, "something that no rule reads")[0] is False


def test_cases_with_a_config(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    keys = {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 64, "vocab_size": 100}
    more = {"num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 128}
    (tmp_path / "one" / "config.json").write_text(json.dumps({**keys, **more}))
    layer = 4 * 64 * 64 + 3 * 64 * 128 + 2 * 64
    total = layer + 2 * 100 * 64 + 64
    case = {"kind": "any", "config": "one", "expected": {"total": total, "lm_head": 6400, "layers": [layer]}}
    assert check(case, tmp_path) == (True, "")
    assert check({**case, "expected": {"total": total + 1}}, tmp_path)[0] is False
    assert check({**case, "expected": {"exit": 2, "names_key": "vocab_size"}}, tmp_path)[0] is False
    (tmp_path / "one" / "config.json").write_text(json.dumps({**keys, **more, "num_attention_heads": -4}))
    assert check(case, tmp_path)[0] is None
    assert check({**case, "expected": {"exit": 2, "names_key": "num_attention_heads"}}, tmp_path)[0] is True


def test_the_last_line() -> None:
    assert counted([True, False, None, True]) == "2 right, 1 wrong, 1 refused with reason"
