"""How an engine may serve besides its degrees: smaller chunks of prompts, and drafts where the model has modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symsim.pipeline.draft_memory import drafter
from symsim.search.launch import refusal
from symsim.search.target import Target
from symsim.serving.aggregated import Deployed, deployed
from symsim.serving.ask import Ask

BUDGETS = (512, 2048)
"""Tokens of an iteration of an attention replica that are tried beside the engine's own, where none are stated."""

MOST_DRAFTS = 3
"""As recipes of DeepSeek-R1 have it; its one module drafts them one after another."""

ACCEPTANCE = 0.6
"""Chance of each draft, where none is stated: 2.2 tokens of three drafts. Runs of DeepSeek-R1 with MTP that InferenceX
published have 2.6 at one client and 1.9 at 64 (split = fit)."""


def asks_of_drafts(of: Deployed, target: Target) -> Iterator[Ask]:
    """What is asked with one to three drafts, where the model has modules for them and no number is stated."""
    ask, compiled = target.ask, of.compiled
    if target.drafted or drafter(compiled) is None:
        return
    for drafts in range(1, MOST_DRAFTS + 1):
        if compiled.engine is not None and refusal(compiled.engine, compiled.deployment, drafts=drafts):
            continue
        if ask.accepted is not None and ask.accepted > drafts + 1:
            continue
        yield (
            replace(ask, drafts=drafts)
            if target.states_acceptance
            else replace(ask, drafts=drafts, acceptance=ACCEPTANCE)
        )


def assumed_acceptance(ask: Ask) -> str | None:
    """That the chance of a draft is assumed, where a deployment drafts."""
    sentence = f"a draft is assumed to be accepted with a chance of {ACCEPTANCE:g} (--acceptance; --drafts 0 for none)"
    return sentence if ask.drafts else None


def drafting(of: Deployed, target: Target) -> list[Deployed]:
    """The engine as it was asked for, and with drafts for which there is room."""
    drafted = (deployed(of.compiled, ask) for ask in asks_of_drafts(of, target))
    return [of, *(one for one in drafted if one.places >= 1)]


def chunked(of: Deployed) -> list[Deployed]:
    """The engine with smaller chunks, where no budget is stated and prompts are longer."""
    if of.ask.budget or of.ask.exclusive_prefill:
        return []
    replicas = of.layout.replicas
    budgets = [each for each in BUDGETS if each < min(of.step.prompt, of.budget / replicas)]
    return [deployed(of.compiled, replace(of.ask, budget=each)) for each in budgets]


def other_ways(of: Deployed, target: Target) -> list[Deployed]:
    """Every other way that an engine may do both."""
    return [one for drafted in drafting(of, target) for one in (drafted, *chunked(drafted)) if one is not of]
