"""Launch lines: how serving engines are started for a deployment, as their files say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from symsim.errors import UndefinedName, did_you_mean
from symsim.inputs.deployment import Deployment
from symsim.inputs.engine import Engine, bundled_engines, load_engine
from symsim.language.decide import evaluate
from symsim.language.graph_text import parse_condition
from symsim.language.tree import Name
from symsim.paths import display_path


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
    drafts: int = 0,
    worker: str = "",
) -> str:
    """The line that starts one replica; a comment that says why where the engine cannot. sequences: at once, of an
    attention replica; worker: `prefill` or `decode` where it is one of those. Raises SymsimError for a bad file."""
    if engine.launch is None:
        return f"# the file of {engine.name} has no [launch]"
    if why := refusal(engine, deployment, drafts):
        return f"# {why}"
    load = {"sequences": max(1, round(sequences)), "budget": budget, "drafts": drafts}
    facts = {**_facts(deployment), **load, "prefills": int(worker == "prefill"), "decodes": int(worker == "decode")}
    words = [engine.launch.command, *(text for text, when in engine.launch.options if _value(engine, when, facts))]
    line = " ".join(words).replace("<model>", model)
    return re.sub(r"<([\w* +/-]+)>", lambda found: str(_value(engine, found[1], facts)), line)


def refusal(engine: Engine, deployment: Deployment, drafts: int = 0) -> str:
    """Why an engine cannot run a deployment, empty where it can, or where its file does not say."""
    facts = {**_facts(deployment), "drafts": drafts}
    reasons = () if engine.launch is None else engine.launch.cannot
    refused = next((reason for reason, condition in reasons if _value(engine, condition, facts)), None)
    return "" if refused is None else f"{engine.name} cannot {refused}"


def _facts(deployment: Deployment) -> dict[str, Any]:
    """What expressions of launch lines may name of a deployment."""
    return {
        **{name: getattr(deployment, name) for name in ("tp", "pp", "dp", "dcp", "redundant_experts")},
        "ep": deployment.ep or 1,
        "moe_tp": deployment.experts_split if deployment.ep else 1,
        "nodes": deployment.num_nodes or 1,
        "deepep": int(deployment.comm == "deepep"),
        "kv_fp8": int(deployment.kv == "fp8"),
    }


def _value(engine: Engine, text: str, facts: Mapping[str, Any]) -> Any:
    return evaluate(_parsed(text, f"{display_path(engine.path)}, [launch]"), lambda name: _look(name, facts))


_parsed = lru_cache(maxsize=256)(parse_condition)


def _look(name: Name, facts: Mapping[str, Any]) -> Any:
    if name.name not in facts:
        raise UndefinedName(name.span, f"launch lines have no {name.name}; {did_you_mean(name.name, facts)}")
    return facts[name.name]
