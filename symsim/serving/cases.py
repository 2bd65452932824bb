"""Figures of a case of requests on given step times: what the default forms answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from symsim.errors import SymsimError, did_you_mean
from symsim.serving.engines import ServingEngine, closed_loop, decode_engine, exclusive_engine, mixed_engine
from symsim.serving.lengths import length
from symsim.serving.outcome import applied
from symsim.serving.pool import Pool, prefill_pool
from symsim.serving.step_time import StepTime
from symsim.serving.workload import Workload

_Case = Mapping[str, Any]
_Figures = Mapping[str, float]


def figures(case: _Case) -> dict[str, float]:
    """The figures that the default forms answer for a case: `ttft_mean`, `tpot_tokens_mean`, ... in seconds.

    Keys of a case and names of figures are those of simulated cases: kind (pool, engine, closed, disagg, routing),
    step, S, O, lam, T, Bmax, mode, k, alpha, hit, kv, x, y, k0, k1, N. A figure that has no value is left out.
    """
    kind = str(case.get("kind"))
    if kind not in _KINDS:
        raise SymsimError(f"there is no kind of case {kind!r}; {did_you_mean(kind, _KINDS)}")
    return {name: value for name, value in _KINDS[kind](case).items() if math.isfinite(value)}


def _work(case: _Case) -> Workload:
    hit = case.get("hit", 0)
    found, share = (hit[2], hit[1]) if isinstance(hit, (list, tuple)) else (hit, 1.0)
    return Workload(
        input=length(case["S"]),
        output=length(case.get("O", 1)),
        hit=found,
        hitting=share,
        drafts=case.get("k", 0),
        acceptance=case.get("alpha", 0.0),
    )


def _pool_of(case: _Case) -> Pool:
    return Pool(
        rate=case["lam"],
        workers=case.get("x", 1),
        router={"rr": "round-robin", "random": "random"}.get(case.get("policy", "")),
        gaps_cv=case.get("ca", 1.0),
        exponential=case.get("service") == "exp",
    )


def _engine_of(case: _Case, step: str = "step") -> ServingEngine:
    return ServingEngine.of(StepTime(**case[step]), _work(case))


def _pool(case: _Case) -> _Figures:
    return prefill_pool(_pool_of(case), StepTime(**case["step"]), _work(case)).values


def _engine(case: _Case) -> _Figures:
    engine, rate, budget = _engine_of(case), case["lam"], case.get("T")
    if case.get("mode") == "exclusive":
        return exclusive_engine(engine, rate).values
    places = _places(case, engine)
    return mixed_engine(engine, rate, budget=budget, places=places).values


def _places(case: _Case, engine: ServingEngine) -> float:
    """Most sequences at once: a limit of its own, or room for input and output of each in the cache."""
    limit = float(case.get("Bmax", math.inf))
    if "kv" in case:
        held = applied("cache_concurrency", {**engine.letters, "kv_tokens": case["kv"]}).value or 0.0
        limit = min(limit, math.floor(held))
    return limit


def _closed(case: _Case) -> _Figures:
    return closed_loop(_engine_of(case), case["N"], budget=case.get("T")).values


def _disaggregated(case: _Case) -> _Figures:
    work = _work(case)
    pool = prefill_pool(_pool_of(case), StepTime(**case["step"]), work)
    if not pool.solved:
        return {}
    rate, prompt = case["lam"], work.input.mean
    engine = _engine_of(case, "decode_step")
    decode = decode_engine(engine, rate / case["y"], places=float(case.get("Bmax", math.inf)))
    t_kv = case.get("k0", 0.0) + case.get("k1", 0.0) * prompt
    spaced = t_kv <= pool.letters["s_min"]
    link = applied("link_wait", {"rate": rate, "x": case["x"], "t_kv": t_kv}, name="spaced" if spaced else "poisson")
    found: dict[str, float] = dict(pool.values)
    known = {**engine.letters, **decode.letters, **link.values, "t_kv": t_kv}
    if decode.values and link.solved:
        found |= {
            "tpot_decode_mean": decode.values["tpot_tokens_mean"],
            "rows": decode.values["rows"],
            "transfer_mean": t_kv + link.values["W_kv"],
            "tpot_mean": applied("handed_tpot", known).value or math.nan,
        }
        known["ttft"] = pool.values["ttft_mean"]
        found["ttft_second_mean"] = applied("second_ttft", known).value or math.nan
    return {name: value for name, value in found.items() if not name.startswith("wait") and name != "service"}


def _routing(case: _Case) -> _Figures:
    experts, chosen, gpus, tokens = case["E"], case["k"], case["G"], case["m"]
    popularity = [(rank + 1) ** -float(case.get("zipf", 0)) for rank in range(experts)]
    mean = sum(popularity) / experts
    spread = math.sqrt(sum((one - mean) ** 2 for one in popularity) / experts) / mean
    known = {"E": experts, "topk": chosen, "G": gpus, "tokens": tokens, "c_e": spread}
    hits = applied("experts_hit", known).value or math.nan
    return {"max_over_mean": applied("expert_imbalance", known).value or math.nan, "experts_hit_per_gpu": hits}


_KINDS: Mapping[str, Callable[[_Case], _Figures]] = {
    "pool": _pool,
    "engine": _engine,
    "closed": _closed,
    "disagg": _disaggregated,
    "routing": _routing,
}
