"""What a recommendation is asked for: requests, limits of their times, what is to be served, and on how many GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, SymsimError
from symsim.search.largest_load import Limits
from symsim.serving.ask import Ask, asked

Gpus = int | str | tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is wanted. ask: the requests; its load is that of one user, or of all requests per second. limits: of times.

    users, rate: that all that is deployed must serve, None for as many as it can; gpus: from and to how many, None for
    the fewest that do; mode: aggregated, disaggregated or both; drafted: whether the number of drafts is stated, so
    that no other is tried.
    """

    ask: Ask
    limits: Limits
    users: float | None = None
    rate: float | None = None
    gpus: tuple[int, int] | None = None
    mode: str = "aggregated"
    drafted: bool = False

    @property
    def states_acceptance(self) -> bool:
        return self.ask.acceptance is not None or self.ask.accepted is not None

    @property
    def load(self) -> float | None:
        return self.users if self.rate is None else self.rate


def target_of(
    *,
    gpus: Gpus,
    ttft: float | str | None,
    tpot: float | str | None,
    rate: float | None,
    users: float | None,
    **requests: Any,
) -> Target:
    """From what people write. requests: options of `asked`. Raises SymsimError for what cannot be."""
    if users is not None and rate is not None:
        raise SymsimError("users and a rate are two ways to say what is to be served; state one of --users and --rate")
    if gpus is None and users is None and rate is None:
        raise SymsimError("how many GPUs are there, or what is to be served? State --gpus, --users or --rate")
    limits = {name: _seconds(name, value) for name, value in (("ttft", ttft), ("tpot", tpot)) if value is not None}
    load: dict[str, Any] = {"concurrency": 1.0} if rate is None else {"rate": _positive("rate", rate)}
    return Target(
        ask=asked(**requests, **load),
        limits=Limits(**limits),
        users=None if users is None else _positive("users", users),
        rate=rate,
        gpus=_gpus(gpus),
        drafted=requests.get("drafts") is not None,
    )


def _seconds(name: str, value: float | str) -> float:
    """A limit of time. Raises SymsimError."""
    try:
        found = float(parse_quantity(value, "s")) if isinstance(value, str) else float(value)
    except BadUnit as error:
        raise SymsimError(f"{name}: {error}") from None
    return _positive(name, found)


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise SymsimError(f"{name} = {value!r} must be above zero")
    return value


def _gpus(value: Gpus) -> tuple[int, int] | None:
    """(from, to): `8` and `1:8` as people write them. Raises SymsimError."""
    if value is None:
        return None
    ends = value.split(":") if isinstance(value, str) else value if isinstance(value, tuple) else (value,)
    try:
        low, high = int(ends[0]), int(ends[-1])
    except ValueError:
        low, high = 0, 0
    if len(ends) > 2 or not 1 <= low <= high:
        raise SymsimError(f"gpus = {value!r}: expected how many, as 8, or from and to how many, as 1:8")
    return low, high
