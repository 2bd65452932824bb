"""Spoilt configs are refused in a sentence or answered: no traceback, no long wait, nothing accepted that cannot be."""

import pytest

from tests.fuzz.mutations import MODELS, tried


@pytest.mark.parametrize("model", MODELS)
def test_a_spoilt_config_is_refused_or_answered(model: str) -> None:
    wrong = [f"{mutation}: {why}" for mutation, why in tried([model], count=25, seed=20261126) if why is not None]
    assert wrong == []
