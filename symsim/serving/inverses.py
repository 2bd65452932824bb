"""Closed forms of answers about requests, where there is one: printed with the value that they give."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.language.query import Constraint
from symsim.serving.outcome import applied
from symsim.serving.points import Point, key


def in_closed_form(unknown: str, constraint: Constraint | None, at: Point) -> str | None:
    """The form that inverts the constraint for the unknown; None where none does."""
    if constraint is None:
        return None
    letters, metric = at.figures.served.letters, key(constraint.metric)
    match unknown, metric:
        case "budget", "itl_max" | "itl_p99" if "D" in letters:
            return written_inverse("budget_for_itl", {**letters, "itl": float(constraint.bound.value("s"))})
        case "rate", "tpot" if {"tau", "alpha_1"} <= letters.keys() and "W" not in letters.keys() - {"W_L"}:
            return written_inverse("rate_for_tpot", {**letters, "tpot": float(constraint.bound.value("s"))})
        case "acceptance", "speedup" if letters.get("drafts") == 1 and "step" in letters:
            plain = at.plain().served.letters
            return written_inverse("break_even_acceptance", {"t_1": letters["step"], "t_0": plain["step"]})
        case "acceptance", "tpot" if letters.get("drafts") == 1 and "step" in letters:
            known = {"t_1": letters["step"], "tpot": float(constraint.bound.value("s"))}
            return written_inverse("acceptance_for_tpot", known)
        case _:
            return None


def matched_workers(at: Point) -> str | None:
    """x : y at which both kinds of workers are as loaded as here, in closed form."""
    letters, load = at.figures.served.letters, at.figures.load
    if "s" not in letters or not load.get("prefill"):
        return None
    known = {**letters, "rho_star": load["prefill"], "B_star": letters["B"], "g_p": 1.0, "g_d": 1.0}
    return written_inverse("rate_matching", known)


def written_inverse(quantity: str, known: Mapping[str, float], name: str | None = None) -> str | None:
    """`budget = B*Q + S_new*(itl - D)/alpha_1 = 2180 (Sarathi-Serve ...)`."""
    outcome = applied(quantity, known, name=name)
    if outcome.value is None:
        return None
    step = outcome.form.result
    return f"{step.symbol.name} = {step.expr} = {outcome.value:.4g} ({outcome.form.quantity}.{outcome.form.name})"
