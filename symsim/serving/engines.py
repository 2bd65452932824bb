"""One engine under load: mixed, exclusive, decode only or in a closed loop, by the form that its step calls for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from symsim.serving.outcome import Outcome, applied
from symsim.serving.program import StepFunction
from symsim.serving.quantiles import time_quantiles
from symsim.serving.step_time import StepTime
from symsim.serving.workload import Letters, Workload, decoding, prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingEngine:
    """What steps together. letters: all that its forms take but the rate; time: of a step.

    affine: whether mean values may be put into it.
    """

    time: StepFunction
    letters: Letters
    work: Workload
    affine: bool

    @classmethod
    def of(cls, step: StepTime, work: Workload) -> ServingEngine:
        """An engine whose step is affine but for its weights; t_0 then counts them in full."""
        answers = decoding(work)
        tau = answers["Q"] * step.a + step.d * answers["C"]
        letters = {**answers, **prompts(work, (step.a, step.p)), "t_0": step.t0 + step.tw, "tau": tau}
        return cls(time=step.of_work, letters=letters, work=work, affine=step.is_affine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """values: figures by name, seconds; empty where there is no equilibrium, as `sentence` says. letters: of its forms.

    load: what is loaded -> its share; forms: quantity -> the form that answered; warnings: sentences.
    """

    values: Mapping[str, float] = field(default_factory=dict[str, float])
    letters: Letters = field(default_factory=dict[str, float])
    load: Mapping[str, float] = field(default_factory=dict[str, float])
    forms: Mapping[str, Outcome] = field(default_factory=dict[str, Outcome])
    sentence: str = ""

    @property
    def solved(self) -> bool:
        return not self.sentence

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(w for outcome in self.forms.values() for w in outcome.warnings))


def refused(outcome: Outcome) -> Served:
    return Served(sentence=outcome.sentence)


def mixed_engine(
    engine: ServingEngine,
    rate: float,
    *,
    budget: float | None = None,
    places: float = math.inf,
    forms: Mapping[str, str] | None = None,
) -> Served:
    """Requests that arrive at an engine which mixes prompts and decodes. forms: quantity -> another form by name."""
    asked = forms or {}
    known = {**engine.letters, "rate": rate, "budget": min(budget or _ENDLESS, _ENDLESS), "B_max": places}
    first = applied("mixed_ttft", known, engine.time, name=asked.get("mixed_ttft") or _ttft_form(engine, budget))
    if not first.solved:
        return refused(first)
    found: dict[str, Outcome] = {"mixed_ttft": first}
    letters = {**known, **first.values}
    ttft = letters["ttft"]
    usual = None if engine.affine else "conditioned"
    if engine.letters["N"] > 0:
        found["mixed_tpot"] = applied(
            "mixed_tpot", known, engine.time, name=asked.get("mixed_tpot") or usual, near=first.values
        )
    if math.isfinite(places):
        found["slot_wait"] = applied("slot_wait", known, engine.time, name=usual)
        ttft += found["slot_wait"].value or 0.0
    if bad := next((outcome for outcome in found.values() if not outcome.solved), None):
        return refused(bad)
    values = {"ttft_mean": ttft, **_ttft_quantiles(engine, letters, ttft), "step_mean": letters["X"]}
    values |= _answers(letters, found["mixed_tpot"].value) if "mixed_tpot" in found else {}
    slots = found["slot_wait"].values if "slot_wait" in found else {}
    load = {name: letters[name] for name in ("rho", "rho_p", "rho_d", "rho_budget") if name in letters}
    return Served(values=values, letters={**letters, **slots, "ttft": ttft}, load=load, forms=found)


def _ttft_form(engine: ServingEngine, budget: float | None) -> str:
    bound = budget is not None and math.isfinite(budget)
    if not engine.affine:
        return "conditioned-budget" if bound else "conditioned"
    return "budgeted" if bound else "gated"


def _answers(letters: Letters, tpot: float | None) -> dict[str, float]:
    """Figures that follow from the mean time per output token; running decodes by Little's law."""
    if tpot is None:
        return {}
    rows = letters["rate"] * (letters["O"] - 1) * tpot
    return {"tpot_tokens_mean": tpot, "tpot_mean": tpot, "rows": rows, **_itl(letters)}


def _itl(letters: Letters) -> dict[str, float]:
    known = {**letters, "D_1": letters.get("D_1", letters["D"])}
    found = {"itl_p50": applied("itl_median", known).value}
    form = "gamma" if "v" in letters else "poisson"
    found["itl_p99"] = applied("itl_quantile", {**known, "q": 0.99}, name=form).value
    most = max(letters.get("t_K", math.inf), letters["D"])  # no gap is longer than an iteration that is full
    known_gaps = {name: min(value, most) for name, value in found.items() if value is not None}
    least = known_gaps.get("itl_p50", 0.0)  # laws of their own, which near an edge may cross
    return {name: max(value, least) for name, value in known_gaps.items()}


def _ttft_quantiles(engine: ServingEngine, letters: Letters, mean: float) -> dict[str, float]:
    """Constant prompts: a gamma law above the least value (n steps, a prompt's work); else a lognormal one above D."""
    least = letters.get("chunks", 1) * letters["D"] + letters["alpha_1"]
    constant = engine.work.is_constant
    start, form = (least, "gamma") if constant else (letters["D"], "lognormal")
    found = time_quantiles(mean, letters.get("var_b", letters["variance"]), start, form=form)
    return {f"ttft_{name}": value for name, value in found.items()}


def exclusive_engine(engine: ServingEngine, rate: float, *, form: str | None = None) -> Served:
    """Requests at an engine whose iterations hold prompts or decodes, prompts first."""
    known = {**engine.letters, "rate": rate}
    found = applied("exclusive_tpot", known, name=form)
    if not found.solved:
        return refused(found)
    letters = {**known, **found.values}
    values = {"tpot_tokens_mean": letters["tpot"], "tpot_mean": letters["tpot"], "rows": letters.get("B", math.nan)}
    if "ttft" in letters:
        values |= {"ttft_mean": letters["ttft"], "step_mean": letters["X"], **_exclusive_gaps(letters)}
        quantiles = time_quantiles(letters["ttft"], _uniform(letters["X_0"]), letters["t_0"] + letters["alpha_1"])
        values |= {f"ttft_{name}": value for name, value in quantiles.items()}
    load = {name: letters[name] for name in ("rho", "rho_p") if name in letters}
    return Served(values=values, letters=letters, load=load, forms={"exclusive_tpot": found})


def _exclusive_gaps(letters: Letters) -> dict[str, float]:
    """A decode step, and a batch of prompts where one comes between."""
    between = 1 - math.exp(-letters["rate"] * letters["D"])
    gap = letters["D"] + letters["Y"]
    return {name: gap if between > 1 - q else letters["D"] for name, q in (("itl_p50", 0.5), ("itl_p99", 0.99))}


def _uniform(width: float) -> float:
    """Variance of a residual that is uniform over an iteration, and of an iteration of exponential spread."""
    return width**2 / 12 + width**2 / 4


def decode_engine(engine: ServingEngine, rate: float, *, places: float = math.inf, form: str | None = None) -> Served:
    """Sequences that arrive at an engine which only decodes."""
    known = {**engine.letters, "rate": rate, "B_max": places}
    usual = "negative-binomial" if engine.affine and math.isinf(places) and engine.letters["tau"] > 0 else "product"
    found = applied("decode_tpot", known, engine.time, name=form or usual)
    if not found.solved:
        return refused(found)
    letters = {**known, **found.values}
    values = {"tpot_tokens_mean": letters["tpot"], "tpot_mean": letters["tpot"], "rows": letters["B"]}
    values |= {"step_mean": letters["step"], "itl_p50": letters["step"]}
    return Served(
        values=values, letters=letters, load={"rho_d": letters.get("rho_d", 0.0)}, forms={"decode_tpot": found}
    )


def closed_loop(
    engine: ServingEngine, clients: float, *, budget: float | None = None, form: str | None = None
) -> Served:
    """Clients that always wait for their answer. Its load is the share of the token budget that iterations fill."""
    known = {**engine.letters, "concurrency": clients, "admitted": clients, "budget": min(budget or _ENDLESS, _ENDLESS)}
    usual = "arrival-theorem" if engine.affine and budget is None else "conditioned"
    found = applied("closed_tpot", known, engine.time, name=form or usual)
    if not found.solved:
        return refused(found)
    letters = {**known, **found.values}
    first = applied("closed_ttft", letters, name="in-turn" if "own" in found.values else "arrival-theorem")
    letters |= first.values
    names = {"rate": "rate", "ttft_mean": "ttft", "tpot_tokens_mean": "tpot", "tpot_mean": "tpot", "rows": "B"}
    values = {name: letters[letter] for name, letter in names.items()} | {"step_mean": letters["X"]}
    letters |= applied("lockstep_ttft", letters).values
    used = letters["rate"] * (letters["S_new"] + letters["N"] * letters["Q"]) * letters["X"]
    forms = {"closed_tpot": found, "closed_ttft": first}
    return Served(values=values, letters=letters, load={"budget": used / letters["budget"]}, forms=forms)


_ENDLESS = 1e15
"""Tokens of a budget where there is none."""
