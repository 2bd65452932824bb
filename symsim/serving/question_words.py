"""Questions about requests in the words that people use: which they are, and what they state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symsim.errors import SymsimError, did_you_mean
from symsim.inputs.space import SIZES
from symsim.language.query import Quantity, Query
from symsim.serving.ask import HOUR
from symsim.serving.points import LOADS, METRICS, SYNONYMS, UNKNOWNS, USERS, key, load_symbol

_OF_A_STEP = ("ttft", "tpot", "tgs", "tokens/s/user", "tokens/s/gpu", "gpus")
"""Metrics that questions about one step have, too."""


def is_about_load(query: Query) -> bool:
    """Whether a question speaks of requests, not of one step."""
    names = {query.variable, *query.over, *(name for name in query.fixed if name not in ("x", "y", "drafts"))}
    metrics = {key(query.variable), *(key(one.metric) for one in query.constraints)}
    only = {*LOADS, *SYNONYMS, USERS, "price"}
    return bool(names & only) or bool(metrics & (METRICS.keys() - {*_OF_A_STEP}))


def in_words_of_load(query: Query) -> Query:
    """The same question in the symbols that questions about requests have."""
    fixed = {load_symbol(name): quantity for name, quantity in query.fixed.items()}
    over = tuple(map(load_symbol, query.over))
    clients = query.goal == "max" and not over and not {"rate", "concurrency", "B"} & fixed.keys()
    variable = query.variable if query.variable == USERS and not clients else load_symbol(query.variable)
    if query.goal == "min" and key(variable) == "gpus" and not over and not {"x", "y", "world_size"} & fixed.keys():
        variable = "world_size"
    limits = tuple(replace(one, metric=_SERVED.get(one.metric, one.metric)) for one in query.constraints)
    return replace(query, variable=variable, fixed=fixed, over=over, constraints=limits)


_SERVED = {"rate": "requests/s"}
"""A symbol that is bounded -> the metric that is as much."""


def values_of(fixed: Mapping[str, Quantity]) -> Mapping[str, float]:
    """SI values of what a question states; a price is $/h. Raises SymsimError for names that no such question has."""
    known = {*UNKNOWNS, *SIZES}
    if unknown := [name for name in fixed if name not in known]:
        raise SymsimError(f"a question about requests has no {unknown[0]}; {did_you_mean(unknown[0], known)}")
    found = {
        name: float(quantity.value(UNKNOWNS[name].unit if name in UNKNOWNS else "1"))
        for name, quantity in fixed.items()
        if name != "price"
    }
    return {**found, **({"price": _price(fixed["price"])} if "price" in fixed else {})}


def _price(stated: Quantity) -> float:
    """$/h of a GPU; a bare number is in it."""
    return float(replace(stated, unit=stated.unit or "$/h").value("$/s")) * HOUR
