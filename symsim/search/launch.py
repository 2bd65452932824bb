"""Launch lines: how serving engines are started for a deployment, as their files say."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import Any

from symsim.cost.operators import operators
from symsim.errors import UndefinedName, did_you_mean
from symsim.inputs.deployment import Deployment
from symsim.inputs.device import GPUS_PER_NODE
from symsim.inputs.engine import Conditional, Engine, bundled_engines, load_engine
from symsim.language.decide import evaluate
from symsim.language.graph_text import parse_condition
from symsim.language.tree import Name
from symsim.paths import display_path
from symsim.tables.coefficients import spellings


def launch_lines(model: str, deployment: Deployment, **how: Any) -> dict[str, str]:
    """Engine -> the line that starts one replica, of every engine whose file says how; how: as of `line_of`."""
    every = ((name, load_engine(name)) for name in bundled_engines())
    return {name: line_of(engine, model, deployment, **how) for name, engine in every if engine.launch is not None}


def line_of(
    engine: Engine,
    model: str,
    deployment: Deployment,
    *,
    sequences: float,
    budget: int = 0,
    worker: str = "",
    per_host: int = GPUS_PER_NODE,
    **counts: Any,
) -> str:
    """The line that starts one replica; a comment that says why where the engine cannot. sequences: at once, of an
    attention replica; worker: `prefill` or `decode` where it is one of those; per_host: GPUs of a machine; counts: of
    `_facts`. Raises SymsimError for a bad file."""
    if engine.launch is None:
        return f"# the file of {engine.name} has no [launch]"
    if why := refusal(engine, deployment, **counts):
        return f"# {why}"
    load = {"sequences": max(1, round(sequences)), "budget": budget, "nodes": machines(deployment, per_host)}
    roles = {"prefills": int(worker == "prefill"), "decodes": int(worker == "decode")}
    facts = {**_facts(deployment, **counts), **load, **roles}

    def holding(rows: tuple[Conditional, ...]) -> list[str]:
        return [text for text, condition in rows if _value(engine, condition, facts)]

    launch, config = engine.launch, holding(engine.launch.config)
    file = launch.config_flag.rpartition(" ")[2]
    written = [f"echo '{{{', '.join(config)}}}' > {file} &&"] if config else []
    words = [*written, *holding(launch.before), launch.command, *holding(launch.options)]
    line = " ".join([*words, launch.config_flag] if config else words)
    line = line.replace("<model>", model).replace("<worker>", worker or "engine")
    return re.sub(r"<([\w* +/-]+)>", lambda found: str(_value(engine, found[1], facts)), line)


def machines(deployment: Deployment, per_host: int) -> int:
    """How many machines an engine is started on: as few as hold its GPUs evenly, with whole attention replicas on each
    where they fit.

    >>> machines(Deployment(tp=2, dp=9, ep=18), 4), machines(Deployment(tp=16), 8)
    (9, 2)
    """
    gpus = deployment.world_size
    counts = range(max(deployment.num_nodes or 1, -(-gpus // per_host)), gpus + 1)
    held = {count: gpus // count for count in counts if gpus % count == 0}
    tp = deployment.tp
    return next(count for count, each in held.items() if each % tp == 0 or tp % each == 0)


def refusal(engine: Engine, deployment: Deployment, **counts: Any) -> str:
    """Why an engine cannot run a deployment, empty where it can, or where its file does not say."""
    facts = _facts(deployment, **counts)
    reasons = () if engine.launch is None else engine.launch.cannot
    refused = next((reason for reason, condition in reasons if _value(engine, condition, facts)), None)
    return "" if refused is None else f"{engine.name} cannot {refused}"


def _facts(
    deployment: Deployment,
    *,
    drafts: int = 0,
    experts: int = 0,
    quantised: int = 0,
    scaled: int = 0,
    architecture: str = "",
    kernels: Container[str] = (),
) -> dict[str, Any]:
    """What expressions of launch lines may name of a deployment. experts: of a layer; quantised: whether the checkpoint
    is; scaled: whether its weights have scales of their own in blocks or groups; architecture: of the GPUs;
    kernels: of the graphs, in a decode step."""
    spread = bool(experts or deployment.ep or deployment.moe_tp)
    return {
        **{name: int(name in kernels) for name in filter(None, operators())},
        **{name: int(name == architecture) for name in set(spellings()["architecture"].values())},
        "scaled": scaled,
        **{name: getattr(deployment, name) for name in ("tp", "pp", "dp", "dcp", "redundant_experts")},
        "ep": deployment.experts_over if spread else 1,
        "moe_tp": deployment.experts_split if spread else deployment.tp * deployment.dp,
        "gpus": deployment.world_size,
        "drafts": drafts,
        "experts": experts,
        "deepep": int(deployment.comm == "deepep"),
        "kv_fp8": int(deployment.kv == "fp8"),
        "weights_fp8": int(deployment.gemm == "fp8" and not quantised),
    }


def _value(engine: Engine, text: str, facts: Mapping[str, Any]) -> Any:
    return evaluate(_parsed(text, f"{display_path(engine.path)}, [launch]"), lambda name: _look(name, facts))


_parsed = lru_cache(maxsize=256)(parse_condition)


def _look(name: Name, facts: Mapping[str, Any]) -> Any:
    if name.name not in facts:
        raise UndefinedName(name.span, f"launch lines have no {name.name}; {did_you_mean(name.name, facts)}")
    return facts[name.name]
