"""What a prediction is asked for: requests, their arrival, and how engines take them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, SymsimError, did_you_mean
from symsim.formula.interval import TIGHTER
from symsim.inputs.deployment import Deployment
from symsim.serving.forms import alternatives
from symsim.serving.lengths import Length, length
from symsim.serving.workload import Workload

Acceptance = float | str | Sequence[float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """isl, osl: lengths as `length` reads them; concurrency or rate (requests/s) of all that is deployed.

    budget: tokens of an iteration of an attention replica, as engines have it; acceptance: a number, one for each
    position, or `length 2.4`; queue: the form of the wait before prefill workers; level: of intervals; together:
    the correlation of kernels' errors in them; price: of a GPU, in $/s; prefill, decode: `2 x tp=4`;
    copies: of the whole deployment, each with its share of the requests; prompts: the requests of a benchmark, whose
    clients send their first ones at once, None for a loop that goes on.
    Raises SymsimError for what cannot be.
    """

    isl: Length
    osl: Length
    concurrency: float | None = None
    rate: float | None = None
    budget: int | None = None
    exclusive_prefill: bool = False
    prefix_hit: float = 0.0
    drafts: int = 0
    acceptance: float | tuple[float, ...] | None = None
    accepted: float | None = None
    max_running: int | None = None
    prompts: int | None = None
    queue: str | None = None
    level: float = 0.9
    together: float = TIGHTER
    price: float | None = None
    prefill: tuple[int, str] | None = None
    decode: tuple[int, str] | None = None
    copies: int = 1

    def __post_init__(self) -> None:
        if (self.concurrency is None) == (self.rate is None):
            raise SymsimError("requests arrive by a rate or by a concurrency; state one of --rate and --concurrency")
        if (self.prefill is None) != (self.decode is None):
            raise SymsimError("disaggregated serving has both --prefill and --decode workers, e.g. '2 x tp=4'")
        for name in ("concurrency", "rate", "budget", "max_running", "price", "copies", "prompts"):
            value = getattr(self, name)
            if value is not None and not (0 < value < math.inf):
                raise SymsimError(f"{name} = {value!r} must be above zero, and finite")
        if self.prompts is not None:
            self._check_benchmark(self.prompts)
        if not 0 < self.level < 1:
            raise SymsimError(f"interval = {self.level!r} must be between 0 and 1, e.g. 0.9")
        if not 0 <= self.together <= 1:
            raise SymsimError(f"together = {self.together!r} must be from 0 to 1, e.g. 0.3")
        if self.drafts < 0:
            raise SymsimError(f"drafts = {self.drafts!r} must be zero or more")
        if self.drafts and self.acceptance is None and self.accepted is None:
            raise SymsimError(f"{self.drafts} drafts need --acceptance: a chance, one for each, or 'length 2.4'")
        if self.queue is not None and self.queue not in alternatives("wait"):
            raise SymsimError(f"there is no queue {self.queue!r}; {did_you_mean(self.queue, alternatives('wait'))}")

    def _check_benchmark(self, prompts: int) -> None:
        if self.concurrency is None:
            raise SymsimError(
                f"prompts = {prompts!r} are of clients that start at once; state --concurrency, no --rate"
            )
        if self.prefill is not None:
            raise SymsimError(f"prompts = {prompts!r} are of engines that do both; leave out --prefill and --decode")
        if prompts < self.concurrency:
            raise SymsimError(f"prompts = {prompts!r} are fewer than the {self.concurrency:g} clients that send them")

    @property
    def first_share(self) -> float:
        """Share of a benchmark's requests that its clients send at once at the start."""
        return 0.0 if self.prompts is None or self.concurrency is None else self.concurrency / self.prompts

    @property
    def work(self) -> Workload:
        """The requests; an answer of one token comes from prefill, and hardly decodes."""
        return Workload(
            input=self.isl,
            output=self.osl if self.osl.mean > 1 else Length("constant", 1 + _HARDLY),
            hit=self.prefix_hit,
            drafts=self.drafts,
            acceptance=self.acceptance or 0.0,
            accepted=self.accepted,
        )


def asked(
    isl: object,
    osl: object,
    *,
    acceptance: Acceptance = None,
    price: str | float | None = None,
    prefill: str | None = None,
    decode: str | None = None,
    interval: float = 0.9,
    **others: object,
) -> Ask:
    """An Ask from what people write. Raises SymsimError."""
    known = {field.name for field in fields(Ask)}
    for name in others:
        if name not in known:
            raise SymsimError(f"predict has no option {name}; {did_you_mean(name, known)}")
    chance, accepted = _acceptance(acceptance)
    given = {name: value for name, value in others.items() if value is not None}
    return Ask(
        isl=length(isl),
        osl=length(osl),
        acceptance=chance,
        accepted=accepted,
        price=None if price is None else _price(price),
        prefill=None if prefill is None else _workers(prefill),
        decode=None if decode is None else _workers(decode),
        level=interval,
        **given,  # pyright: ignore[reportArgumentType]  # checked as an Ask is made
    )


def _acceptance(value: Acceptance) -> tuple[float | tuple[float, ...] | None, float | None]:
    """(chances, None) or (None, mean accepted length)."""
    if value is None or isinstance(value, (int, float)):
        return value, None
    if not isinstance(value, str):
        return tuple(map(float, value)), None
    words = value.replace(",", " ").split()
    try:
        if words[:1] == ["length"] and len(words) == 2:
            return None, float(words[1])
        numbers = tuple(map(float, words))
    except ValueError:
        numbers = ()
    if not numbers:
        raise SymsimError(
            f"acceptance {value!r}: expected a chance such as 0.8, one a position (0.9,0.7) or 'length 2.4'"
        )
    return (numbers[0] if len(numbers) == 1 else numbers), None


_HARDLY = 1e-6
"""Tokens to decode where there are none: forms speak of the time of each."""

HOUR = 3600


def _price(value: str | float) -> float:
    """$/s of a GPU: `2.5 $/h`; a bare number is of an hour."""
    text = str(value).strip()
    bare = re.fullmatch(r"[0-9.]+", text)
    try:
        return float(parse_quantity(f"{text} $/h" if bare else text, "$/s"))
    except (BadUnit, ValueError) as error:
        raise SymsimError(f"{value!r} is no price of a GPU: {error}") from None


_WORKERS = re.compile(r"\s*(?:(\d+)\s*(?:x\s*|$))?(.*)")


def _workers(text: str) -> tuple[int, str]:
    """`6 x dp=8,ep=8`: so many workers, and the deployment of each."""
    found = _WORKERS.fullmatch(text)
    count = int(found[1] or 1) if found else 0
    if found is None or count < 1:
        raise SymsimError(f"{text!r} are no workers; expected e.g. '2 x tp=4'")
    return count, found[2].strip()


WORKER_SIZES = ("world_size", "num_nodes", "tp", "pp", "cp", "dp", "ep", "moe_tp", "dcp", "redundant_experts")
"""What the deployment of a worker may state."""

_WORDS = ("comm", "overlap", "gemm", "kv")
_KEPT = ("gemm", "kv", "comm", "overlap", "sm_ratio", "engine", "memory_share")


def worker_deployment(text: str, base: Deployment) -> Deployment:
    """The deployment of one worker, formats and communication as `base` has them. Raises SymsimError.

    >>> worker_deployment("tp=4", Deployment(gemm="fp8")).text()
    'world_size 4, tp 4, gemm fp8'
    """
    sizes: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (word.strip() for word in part.partition("="))
        name = name.replace("-", "_")
        if name in _WORDS and value:
            sizes[name] = value
            continue
        if name not in WORKER_SIZES or not value.isdigit():
            raise SymsimError(
                f"{part!r} is no size of a worker; expected e.g. tp=4, of {', '.join((*WORKER_SIZES, *_WORDS))}"
            )
        sizes[name] = int(value)
    kept = {name: getattr(base, name) for name in _KEPT}
    return Deployment(**{**kept, **sizes})  # pyright: ignore[reportArgumentType]
