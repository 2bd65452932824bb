"""Settings for every test: hypothesis draws the same cases each run, judges no speed; what is `slow` waits for CI."""

import pytest
from hypothesis import settings

from tests.profiles import FULL, drawn

settings.register_profile("symsim", deadline=None, derandomize=True, print_blob=True, max_examples=drawn(100))
settings.load_profile("symsim")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skipped = pytest.mark.skip(reason="slow: SYMSIM_TESTS=full runs it, as CI does")
    for item in items:
        if "slow" in item.keywords and not FULL:
            item.add_marker(skipped)
