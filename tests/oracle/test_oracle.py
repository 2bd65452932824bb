"""Every captured result of the reference, to nine digits."""

import json
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.paths import ROOT

SHARED = ROOT.parent / "shared"
pytestmark = pytest.mark.skipif(
    not (SHARED / "oracle").is_dir(),
    reason="reads captured reference results in ../shared, which users do not have",
)


def cases(vintage: str) -> list[dict[str, Any]]:
    path = SHARED / "oracle" / f"infersim-{vintage}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


@pytest.mark.parametrize("case", [*cases("2025-10"), *cases("2026-05")], ids=lambda case: case["case"])
def test_reference_result(case: dict[str, Any]) -> None:
    config = Path(SHARED, "configs", f"{case['model']}_config.json")
    if case["reference_fails"]:
        with pytest.raises(symsim.SymsimError, match=r"mfu/\w+.csv"):
            symsim.simulate(config, tables=case["vintage"], **case["args"])
        return
    report = symsim.simulate(config, tables=case["vintage"], **case["args"]).as_dict()
    ours = {f"{section}.{label}": value for section in list(report)[:5] for label, value in report[section].items()}
    assert {label: ours.get(label) for label in case["out"]} == pytest.approx(case["out"], rel=1e-9)
    assert sorted(report["flags"]) == case["flags"]
