"""What binds a mean iteration: the share of its time that each figure of the device decides."""

from __future__ import annotations

from symsim.serving.aggregated import Deployed
from symsim.serving.engines import Served

RESOURCES = {
    "HBM bandwidth": ("hbm_bandwidth",),
    "compute": ("peak_w", "peak_bf16", "peak_fp8", "peak_int8", "peak_fp4", "peak_fp32"),
    "NVLink": ("nvlink_bandwidth",),
    "RDMA": ("rdma_bandwidth",),
}
"""Resource -> the symbols of the device that are it."""

_STEP = 1e-4


def shares_of_time(of: Deployed, found: Served) -> dict[str, float]:
    """Share of the mean decode iteration that falls as 1/x with each resource; the rest depends on none."""
    work = mean_work(of, found)
    form_values = of.compiled.numbers.values
    total = of.step.iteration(**work)
    shares: dict[str, float] = {}
    for resource, names in RESOURCES.items():
        faster = {name: float(form_values[name]) * (1 + _STEP) for name in names if name in form_values}
        share = (total - of.step.iteration(**work, **faster)) / total / _STEP
        if share > _STEP:
            shares[resource] = share
    rest = 1 - sum(shares.values())
    return {**shares, "fixed times": rest} if rest > 0.005 else shares


def mean_work(of: Deployed, found: Served, *, prefills: bool = True, decodes: bool = True) -> dict[str, float]:
    """What one attention replica works on in an iteration, on average: its sequences and its share of prompts; of a
    worker that only prefills, one prompt; of one that only decodes, none."""
    if not decodes:
        length = min(of.step.prompt, of.budget / of.layout.replicas)
        return {"B": 0.0, "Q": 1, "C": 1.0, "T": length / of.step.ranks, "S": length, "past": of.step.past}
    letters = found.letters
    rows = letters.get("B", found.values.get("rows", 1.0)) / of.layout.replicas
    mixed = prefills and ("mixed_ttft" in found.forms or "closed_tpot" in found.forms)
    prompts = letters["rate"] * letters.get("X", 0.0) if mixed else 0.0
    tokens = prompts * letters["S_new"] / (of.layout.replicas * of.step.ranks)
    length = max(1.0, min(of.step.prompt, tokens))
    work = {"B": rows, "Q": letters["Q"], "C": letters["C"], "T": tokens, "S": length}
    return {**work, "past": of.step.past if tokens else 0.0}


_FULL = 0.85


def binding(found: Served, of: Deployed, running: float) -> tuple[str, ...]:
    """What limits the deployment, first what limits it most."""
    named = {
        "places": "cache" if of.places >= of.room.sequences - 1 else "max_running",
        "rho_budget": "budget",
        "budget": "budget",
        "prefill": "prefill workers",
        "decode": "decode workers",
        "transfer": "links",
        "capacity": "engine",
        "rho": "engine",
        "rho_p": "prefill",
    }
    loaded = sorted(((share, named[name]) for name, share in found.load.items() if name in named), reverse=True)
    limits = [name for share, name in loaded if share > _FULL]
    if running and running >= _FULL * of.places and "cache" not in limits:
        limits.append(named["places"])
    shares = shares_of_time(of, found)
    first = max(shares, key=lambda name: shares[name]) if shares else ""
    return tuple(dict.fromkeys((*limits, *([first] if first else []))))
