"""Closed forms of answers about requests, where there is one: printed with the value that they give."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.language.query import Constraint
from symsim.serving.ask import HOUR
from symsim.serving.outcome import applied
from symsim.serving.points import Point, key, unit_of

_CLOSE, _LEAST = 0.1, 1e-3
"""A closed form is of a step that is affine around there: where it is further off, it says nothing."""


def in_closed_form(unknown: str, constraint: Constraint | None, at: Point, value: float) -> str | None:
    """The form that inverts the constraint for the unknown; None where none does, or gives another value."""
    if constraint is None:
        return None
    letters, metric = at.figures.served.letters, key(constraint.metric)
    bound = float(constraint.bound.value(unit_of(constraint.metric)))
    match unknown, metric:
        case "budget", "itl_max" | "itl_p99" if "D" in letters:
            return written_inverse("budget_for_itl", {**letters, "itl": bound}, near=value)
        case "rate", "tpot" if {"tau", "alpha_1"} <= letters.keys() and "W" not in letters.keys() - {"W_L"}:
            return written_inverse("rate_for_tpot", {**letters, "tpot": bound}, near=value)
        case "acceptance", "speedup" if letters.get("drafts") == 1 and "step" in letters:
            plain = at.plain().served.letters
            return written_inverse("break_even_acceptance", {"t_1": letters["step"], "t_0": plain["step"]}, near=value)
        case "acceptance", "tpot" if letters.get("drafts") == 1 and "step" in letters:
            return written_inverse("acceptance_for_tpot", {"t_1": letters["step"], "tpot": bound}, near=value)
        case "price", "cost" if at.figures.request_rate:
            rate, gpus = at.figures.request_rate, float(at.gpus)
            known = {"cost": bound, "rate": rate, "O": letters["O"], "gpus": gpus}
            return written_inverse("price_for_cost", known, near=value / HOUR)
        case _:
            return None


def matched_workers(at: Point) -> str | None:
    """x : y at which both kinds of workers are as loaded as here, in closed form."""
    letters, load = at.figures.served.letters, at.figures.load
    if "s" not in letters or not load.get("prefill"):
        return None
    known = {**letters, "rho_star": load["prefill"], "B_star": letters["B"], "g_p": 1.0, "g_d": 1.0}
    return written_inverse("rate_matching", known)


def written_inverse(quantity: str, known: Mapping[str, float], near: float | None = None) -> str | None:
    """`budget = B*Q + S_new*(itl - D)/alpha_1 = 2180 (Sarathi-Serve ...)`, where it is near a value that is given."""
    outcome = applied(quantity, known)
    if outcome.value is None or (near is not None and abs(outcome.value - near) > max(_CLOSE * abs(near), _LEAST)):
        return None
    step = outcome.form.result
    unit = "" if outcome.form.unit == "1" else f" {outcome.form.unit}"
    return f"{step.symbol.name} = {step.expr} = {outcome.value:.4g}{unit} ({outcome.form.quantity}.{outcome.form.name})"
