"""Pictures of the error of each form over load: python docs/form_errors.py [CASES.json ...] writes them.

Cases are simulated, those of heavy_steps.json with steps that pay more once. Drawn is the figure of the default form
over the mean of the simulation.
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
_UNLIMITED = ("mixed.open", "mixed.random", "mixed.prefix", "mixed.spec", "mixed.m")

PICTURES: Mapping[str, Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "form-errors-prefill": {
        "mean TTFT of a pool": (("prefill.m", "prefill.split", "prefill.batch"), ("ttft_mean",)),
        "p90 and p99 of a pool": (("prefill.md1", "prefill.mdk"), ("ttft_p90", "ttft_p99")),
        "mean TTFT, arrivals that are not Poisson": (("prefill.gd1",), ("ttft_mean",)),
    },
    "form-errors-mixed": {
        "TPOT": (_UNLIMITED, ("tpot_tokens_mean",)),
        "mean TTFT": (_UNLIMITED, ("ttft_mean",)),
        "p50, p90, p99 of TTFT": (("mixed.open", "mixed.spec", "mixed.prefix"), ("ttft_p50", "ttft_p90", "ttft_p99")),
    },
    "form-errors-budget": {
        "TPOT": (("mixed.budget", "budget.chunks"), ("tpot_tokens_mean",)),
        "mean TTFT": (("mixed.budget", "budget.chunks"), ("ttft_mean",)),
        "percentiles of TTFT": (("mixed.budget",), ("ttft_p50", "ttft_p90", "ttft_p99")),
        "clients that share it": (("budget.closed",), ("rate", "tpot_tokens_mean", "ttft_mean")),
    },
    "form-errors-decode": {
        "TPOT of decode workers": (("decode.",), ("tpot_decode_mean", "tpot_tokens_mean")),
        "disaggregated": (("disagg",), ("ttft_mean", "ttft_second_mean", "tpot_mean")),
    },
    "form-errors-others": {
        "exclusive prefill": (("exclusive",), ("tpot_tokens_mean", "ttft_mean")),
        "closed loop": (("closed",), ("rate", "tpot_tokens_mean", "ttft_mean")),
        "room in the cache binds": (("kv.limit",), ("ttft_mean",)),
        "experts on GPUs": (("routing",), ("max_over_mean", "experts_hit_per_gpu")),
    },
}
"""Picture -> panel -> beginnings of groups, figures."""

GROUPS = {
    "prefill.md1": "one worker, constant prompts",
    "prefill.mm1": "one worker, exponential service",
    "prefill.mg1.cv1": "one worker, lognormal prompts (1)",
    "prefill.mg1.cv2": "one worker, lognormal prompts (2)",
    "prefill.mdk": "4 workers, constant prompts",
    "prefill.mgk": "4 workers, lognormal prompts (1)",
    "prefill.split.random": "4 workers, random router",
    "prefill.split.rr": "4 workers, round robin",
    "prefill.batch": "prompts in batches",
    "mixed.open": "constant lengths",
    "mixed.random": "random lengths",
    "mixed.prefix": "prefix cache",
    "mixed.spec": "drafts",
    "mixed.budget": "affine step",
    "budget.chunks": "weights or tokens",
    "mixed.max": "weights or tokens",
    "mixed.moe": "touched experts",
    "decode.affine": "affine step",
    "decode.max": "weights or tokens",
    "decode.moe": "touched experts",
    "decode.limit": "places bind",
    "decode.spec": "drafts",
    "kv.limit": "mean TTFT",
}
"""Group of cases -> what is special about it, where a panel has several; in brackets the coefficient of variation."""

FIGURES = {
    "ttft_mean": "mean TTFT",
    "ttft_p50": "p50 of TTFT",
    "ttft_p90": "p90 of TTFT",
    "ttft_p99": "p99 of TTFT",
    "ttft_second_mean": "TTFT of decode workers",
    "tpot_mean": "TPOT",
    "tpot_tokens_mean": "TPOT",
    "tpot_decode_mean": "TPOT",
    "rate": "rate",
    "max_over_mean": "load of the fullest GPU",
    "experts_hit_per_gpu": "experts that a GPU reads",
}
"""Figure of a case -> its name."""

AXES = {
    "closed loop": "clients",
    "clients that share it": "clients over those that fill it",
    "room in the cache binds": "tokens of cache",
    "experts on GPUs": "tokens of a layer",
}
"""Panel -> what its cases differ in, where that is not the load."""

MARKS = "osD^vPX*<>"


def across(case: Mapping[str, Any]) -> float:
    """The load of a case, or its clients or tokens; where a case states none, that of mean values."""
    given = case["case"]
    if case["group"] == "budget.closed":
        answer = given["O"][1] - 1
        return float(given["N"] * (given["S"] + answer) / (answer * given["T"]))
    if given["kind"] in ("closed", "routing"):
        return float(given["N" if given["kind"] == "closed" else "m"])
    if "kv" in given:
        return float(given["kv"])
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


def label_of(case: Mapping[str, Any], figure: str, *, groups: bool, figures: bool) -> str:
    """What tells a series of a panel from its others."""
    named = GROUPS.get(case["group"], "")
    if case["group"] == "prefill.gd1":
        named = f"gaps vary by {case['case']['ca']:g} of their mean"
    return ", ".join(filter(None, (named if groups else "", FIGURES[figure] if figures or not named else "")))


def drawn(cases: list[dict[str, Any]], name: str) -> None:
    panels = PICTURES[name]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4 * len(panels), 3), squeeze=False)
    for axis, (title, (groups, wanted)) in zip(axes[0], panels.items(), strict=True):
        series: dict[str, list[tuple[float, float]]] = {}
        several = len({case["group"] for case in cases if case["group"].startswith(groups)}) > 1
        for case in cases:
            if not case["group"].startswith(groups) or case["group"].endswith("locked"):
                continue
            found = serving.figures(case["case"])
            for one in wanted:
                if one in found and one in case["result"]:
                    names = {FIGURES[figure] for figure in wanted}
                    label = label_of(case, one, groups=several or len(names) == 1, figures=len(names) > 1)
                    error = 100 * (found[one] / case["result"][one][0] - 1)
                    series.setdefault(label, []).append((across(case), error))
        for number, (label, points) in enumerate(sorted(series.items())):
            axis.plot(*zip(*sorted(points), strict=True), MARKS[number % len(MARKS)], ms=4, alpha=0.8, label=label)
        axis.axhline(0, color="0.5", lw=0.8)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(AXES.get(title, "load"))
        if "budget.closed" in groups:
            axis.set_xscale("log")
        axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False)
    axes[0][0].set_ylabel("form over simulation, less 1 [%]")
    figure.subplots_adjust(wspace=0.28)
    figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None}, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    oracle = ROOT / "tests" / "oracle"
    paths = [Path(word) for word in sys.argv[1:]] or [oracle / "serving.json", oracle / "heavy_steps.json"]
    cases = [case for path in paths for case in json.loads(path.read_text(encoding="utf-8"))["cases"]]
    for name in PICTURES:
        drawn(cases, name)


if __name__ == "__main__":
    main()
