"""What requests are -> the letters that forms take: moments of prompts and answers, accepted drafts, contexts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from symsim.errors import SymsimError
from symsim.serving.lengths import Length
from symsim.serving.outcome import applied
from symsim.serving.program import StepFunction

Letters = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Requests. hit: share of a prompt that is cached, found by the share `hitting` of requests and by no others.

    acceptance: chance that a draft is accepted given those before it, one number or one for each position; accepted:
    mean tokens of a sequence and step where it was measured instead.
    """

    input: Length
    output: Length
    hit: float = 0.0
    hitting: float = 1.0
    drafts: int = 0
    acceptance: float | Sequence[float] = 0.0
    accepted: float | None = None

    def __post_init__(self) -> None:
        shares = [("hit", self.hit), ("share of hits", self.hitting)]
        shares += [("acceptance", a) for a in _listed(self.acceptance, self.drafts)]
        for name, value in shares:
            if not 0 <= value <= 1:
                raise SymsimError(f"{name} = {value!r} must be from 0 to 1")
        if self.accepted is not None and not 1 <= self.accepted <= self.drafts + 1:
            most = f"{self.drafts} drafts give up to {self.drafts + 1}"
            raise SymsimError(f"a mean accepted length of {self.accepted:g} cannot be: {most}")

    @property
    def found(self) -> float:
        """Share of a prompt that is found where it hits: the last token is always computed."""
        return min(self.hit, 1 - 1 / self.input.mean)

    @property
    def queries(self) -> int:
        return self.drafts + 1

    @property
    def is_constant(self) -> bool:
        """Whether all prompts are one amount of work."""
        return self.input.is_constant and self.hitting in (0, 1)


def _listed(acceptance: float | Sequence[float], drafts: int) -> tuple[float, ...]:
    """One chance a position; the last goes on."""
    if isinstance(acceptance, (int, float)):
        return (float(acceptance),) * drafts
    if len(acceptance) < drafts:
        raise SymsimError(f"acceptance has {len(acceptance)} positions, and there are {drafts} drafts")
    return tuple(acceptance[:drafts])


def decoding(work: Workload) -> Letters:
    """Letters of the answers: O, O_2, C, Q, N, mu."""
    mean, square = work.output.mean, work.output.moment(2)
    found: dict[str, float] = {"S": work.input.mean, "O": mean, "O_2": square, "Q": work.queries}
    found["drafts"] = work.drafts
    if mean <= 1:
        return {**found, "C": work.input.mean, "N": 0.0, "mu": 1.0}
    found["S_O"] = work.input.mean * (mean - 1)
    found["C"] = _value("mean_context", found)
    found |= accepted(work)
    return {**found, "N": _value("steps", found, "measured")}


def spread_of_contexts(work: Workload) -> float:
    """Coefficient of variation of the context of a decode row: a row is in a batch for as many steps as its answer has
    tokens, and at each of them once, so that E[C^2] = E[S^2] + E[S] E[O^2]/E[O] + E[O^3]/(3 E[O])."""
    first, second, third = (work.output.moment(power) for power in (1, 2, 3))
    if first <= 1:
        return work.input.cv
    mean = work.input.mean + second / (2 * first)
    square = work.input.moment(2) + work.input.mean * second / first + third / (3 * first)
    return math.sqrt(max(0.0, square - mean**2)) / mean


def accepted(work: Workload) -> Letters:
    """mu and mu_2: mean and mean square of the tokens of a sequence and step."""
    if work.accepted is not None:
        return _tokens_of((_acceptance_of(work.accepted, work.drafts),) * work.drafts)
    return _tokens_of(_listed(work.acceptance, work.drafts))


def _tokens_of(chances: Sequence[float]) -> Letters:
    """mu = 1 + a_1 + a_1 a_2 + ...; E[A^2] = sum of (2 j + 1) P(A > j)."""
    reached = [math.prod(chances[:j]) for j in range(len(chances) + 1)]
    return {"mu": sum(reached), "mu_2": sum((2 * j + 1) * p for j, p in enumerate(reached))}


def _acceptance_of(length: float, drafts: int) -> float:
    """The one chance whose accepted length is this: mu increases in it."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tokens_of((middle,) * drafts)["mu"] < length else (low, middle)
    return (low + high) / 2


def prompts(work: Workload, cost: tuple[float, float]) -> Letters:
    """Letters of the prompts: moments of the prefill work alpha, of the new tokens, and their product.

    cost: seconds of a new token, and of a causal pair. A prompt with H = h S tokens in the cache has S - H new tokens
    and S (S + 1)/2 - H (H + 1)/2 pairs, however it is cut into chunks.
    """
    token, pair = cost

    def polynomial(h: float) -> tuple[float, float]:
        return (1 - h) * (token + pair / 2), pair * (1 - h * h) / 2

    def over_hits(value: Callable[[float], float]) -> float:
        missing = (1 - work.hitting) * value(0.0) if work.hitting < 1 else 0.0
        return work.hitting * value(work.found) + missing

    def alpha(k: int, times: int = 0) -> float:
        """E[alpha^k S_new^times]."""

        def at(h: float) -> float:
            one, two = polynomial(h)
            powers = (
                math.comb(k, i) * one ** (k - i) * two**i * work.input.moment(k + i + times) for i in range(k + 1)
            )
            return (1 - h) ** times * sum(powers)

        return over_hits(at)

    mean, square = work.input.mean, work.input.moment(2)
    return {
        "alpha_1": alpha(1),
        "alpha_2": alpha(2),
        "alpha_3": alpha(3),
        "alpha_S": alpha(1, 1),
        "S_new": over_hits(lambda h: (1 - h) * mean),
        "S_sq": over_hits(lambda h: (1 - h) ** 2 * square),
        "pairs": over_hits(lambda h: (square + mean) / 2 - (h * h * square + h * mean) / 2),
        "hit": work.found * work.hitting,
    }


def _value(quantity: str, letters: Letters, name: str | None = None, time: StepFunction | None = None) -> float:
    found = applied(quantity, letters, time, name=name).value
    if found is None:
        raise SymsimError(f"{quantity} has no value")
    return found
