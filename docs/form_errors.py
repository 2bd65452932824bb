"""Pictures of the error of each form over load: python docs/form_errors.py [CASES.json] writes them beside the page.

Cases are simulated: drawn is the figure of the default form over the mean of the simulation.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from symsim import serving
from symsim.serving import StepTime
from symsim.serving.engines import ServingEngine
from symsim.serving.lengths import length
from symsim.serving.workload import Workload

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "explanation"
PICTURES: Mapping[str, Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "form-errors-prefill": {
        "mean TTFT of a pool": (("prefill.m", "prefill.split", "prefill.batch"), ("ttft_mean",)),
        "p90 and p99, constant service": (("prefill.md1", "prefill.mdk"), ("ttft_p90", "ttft_p99")),
    },
    "form-errors-mixed": {
        "TPOT": (("mixed.",), ("tpot_tokens_mean",)),
        "mean TTFT": (("mixed.",), ("ttft_mean",)),
        "p50, p90, p99 of TTFT": (("mixed.open", "mixed.spec", "mixed.prefix"), ("ttft_p50", "ttft_p90", "ttft_p99")),
    },
    "form-errors-budget": {
        "TPOT": (("mixed.budget",), ("tpot_tokens_mean",)),
        "TTFT under a token budget": (("mixed.budget",), ("ttft_mean", "ttft_p50", "ttft_p90", "ttft_p99")),
    },
    "form-errors-decode": {
        "TPOT of decode workers": (("decode.",), ("tpot_decode_mean", "tpot_tokens_mean")),
        "disaggregated": (("disagg",), ("ttft_mean", "ttft_second_mean", "tpot_mean")),
    },
    "form-errors-others": {
        "exclusive prefill": (("exclusive",), ("tpot_tokens_mean", "ttft_mean")),
        "closed loop": (("closed",), ("rate", "tpot_tokens_mean", "ttft_mean")),
        "room in the cache binds": (("kv.limit",), ("ttft_mean",)),
    },
}
"""Picture -> panel -> beginnings of groups, figures."""

MARKS = "osD^vPX*<>"


def across(case: Mapping[str, Any]) -> float:
    """The load of a case, or its clients; where a case states none, that of mean values."""
    given = case["case"]
    if given["kind"] == "closed":
        return float(given["N"])
    if case["load"]:
        return float(case["load"])
    work = Workload(
        input=length(given["S"]),
        output=length(given.get("O", 1)),
        drafts=given.get("k", 0),
        acceptance=given.get("alpha", 0.0),
    )
    apart = given["kind"] == "disagg"
    letters = ServingEngine.of(StepTime(**given["decode_step" if apart else "step"]), work).letters
    rate = given["lam"] / (given["y"] if apart else 1)
    return rate * (letters["N"] * letters["tau"] + (0.0 if apart else letters["alpha_1"]))


def drawn(cases: list[dict[str, Any]], name: str) -> None:
    panels = PICTURES[name]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.4 * len(panels), 3.4), squeeze=False)
    for axis, (title, (groups, wanted)) in zip(axes[0], panels.items(), strict=True):
        series: dict[str, list[tuple[float, float]]] = {}
        for case in cases:
            if not case["group"].startswith(groups) or case["group"].endswith("locked"):
                continue
            found = serving.figures(case["case"])
            for one in wanted:
                if one in found and one in case["result"]:
                    label = f"{case['group']} {one.removesuffix('_mean')}" if len(wanted) > 1 else case["group"]
                    error = 100 * (found[one] / case["result"][one][0] - 1)
                    series.setdefault(label, []).append((across(case), error))
        for number, (label, points) in enumerate(sorted(series.items())):
            axis.plot(*zip(*sorted(points), strict=True), MARKS[number % len(MARKS)], ms=4, alpha=0.8, label=label)
        axis.axhline(0, color="0.5", lw=0.8)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("clients" if title == "closed loop" else "load")
        axis.legend(fontsize=5.5, loc="best", framealpha=0.6)
    axes[0][0].set_ylabel("form / simulation - 1, %")
    figure.tight_layout()
    figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "oracle" / "serving.json"
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    for name in PICTURES:
        drawn(cases, name)


if __name__ == "__main__":
    main()
