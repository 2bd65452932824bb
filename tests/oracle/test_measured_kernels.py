"""A sample of measured kernels beside their forms.

The forms were fitted on these rows among others: this tests that coefficients belong to their kernels, units and sizes.
Errors on shapes left out stand in calibration/*.toml.
"""

import json
from pathlib import Path

import numpy as np

from symsim.calibration import kernel_seconds

LINES = (Path(__file__).parent / "measured_kernels.jsonl").read_text(encoding="utf-8").splitlines()
ROWS = [json.loads(line) for line in LINES[1:]]


def test_the_sample_states_its_source_and_licence() -> None:
    assert "Apache-2.0" in json.loads(LINES[0])["source"]
    assert len({row["op"] for row in ROWS}) == 9


def test_measured_times_are_inside_of_their_intervals() -> None:
    ratios, inside = [], []
    for row in ROWS:
        named = {key: value for key, value in row.items() if key not in ("op", "sizes", "seconds")}
        seconds, low, high = kernel_seconds(row["op"], **named, **row["sizes"])
        ratios.append(float(seconds) / row["seconds"])
        inside.append(bool(low <= row["seconds"] <= high))
    assert np.mean(inside) >= 0.85
    assert np.median(np.abs(np.array(ratios) - 1)) < 0.12
    assert 0.2 < min(ratios) < max(ratios) < 5
