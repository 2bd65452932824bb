"""How an engine may serve besides its degrees: smaller chunks of prompts, and drafts where the model has modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symsim.pipeline.compiled import Compiled
from symsim.pipeline.draft_memory import drafter
from symsim.search.target import Target
from symsim.serving.aggregated import USUAL_BUDGET
from symsim.serving.ask import Ask

BUDGETS = (512, 2048)
"""Tokens of an iteration of an attention replica that are tried beside the engine's own, where none are stated."""

MOST_DRAFTS = 3
"""As recipes of DeepSeek-R1 have it; its one module drafts them one after another."""

ACCEPTANCE = 0.6
"""Chance of each draft, where none is stated: 2.2 tokens of three drafts. Runs of DeepSeek-R1 with MTP that InferenceX
published have 2.6 at one client and 1.9 at 64 (split = fit)."""


def asks_tried(base: Compiled, target: Target) -> tuple[Ask, ...]:
    """Every way in which engines are asked for the same requests: first the engine's own budget and no drafts, where
    neither is stated. base: the model on one GPU."""
    asks = (target.ask, *_asks_of_drafts(base, target))
    return tuple(replace(ask, budget=budget) for ask in asks for budget in (ask.budget, *_smaller(base, ask)))


def _asks_of_drafts(base: Compiled, target: Target) -> Iterator[Ask]:
    """One to three drafts, where the model has modules for them and no number is stated."""
    ask = target.ask
    if target.drafted or drafter(base) is None:
        return
    most = len(ask.acceptance) if isinstance(ask.acceptance, tuple) else MOST_DRAFTS
    for drafts in range(1, min(most, MOST_DRAFTS) + 1):
        if ask.accepted is None or ask.accepted <= drafts + 1:
            acceptance = ask.acceptance if target.states_acceptance else ACCEPTANCE
            yield replace(ask, drafts=drafts, acceptance=acceptance)


def _smaller(base: Compiled, ask: Ask) -> list[int]:
    """Budgets below the engine's own, where none is stated."""
    own = float(base.numbers.values.get("max_tokens", 0)) or USUAL_BUDGET
    if ask.budget or ask.exclusive_prefill:
        return []
    return [each for each in BUDGETS if each < own]


def assumed_acceptance(ask: Ask) -> str | None:
    """That the chance of a draft is assumed, where a deployment drafts."""
    sentence = f"a draft is assumed to be accepted with a chance of {ACCEPTANCE:g} (--acceptance; --drafts 0 for none)"
    return sentence if ask.drafts else None
