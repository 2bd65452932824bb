"""Settings for every test: hypothesis draws the same cases each run, judges no speed; what is `slow` waits for CI."""

import os

import pytest
from hypothesis import settings

from tests.profiles import FULL, drawn

os.environ["SYMSIM_CACHE"] = ""  # what a test changes in this process must not be kept for the next
settings.register_profile("symsim", deadline=None, derandomize=True, print_blob=True, max_examples=drawn(100))
settings.load_profile("symsim")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skipped = pytest.mark.skip(reason="slow: SYMSIM_TESTS=full runs it, as CI does")
    for item in items:
        if "slow" in item.keywords and not FULL:
            item.add_marker(skipped)
