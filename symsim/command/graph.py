"""symsim graph: the operators of one phase, or the text of the family that they are from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx

from symsim.command.flags import write_json
from symsim.command.subject import add_phase, add_subject, compiled
from symsim.inputs.cost_model import graphs_of
from symsim.language.library import load_library, model_text
from symsim.model.data_flow import annotated
from symsim.model.family import find_family
from symsim.model.op_graph import OpGraph
from symsim.paths import GRAPHS
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("graph", help="the operator graph of one phase")
    add_subject(ask)
    add_phase(ask)
    ask.add_argument("--format", default="text", choices=["text", "dot", "json"])
    ask.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    ask.add_argument("--text", action="store_true", help="the graph text of MODEL, or of a family, in full")
    ask.set_defaults(command=_graph)


def _graph(*, phase: Any, format: str, text: bool, **subject: Any) -> int:
    if text:
        print(_text(subject["model"], subject["cost_model"], subject["graphs"]))
        return 0
    costs = compiled(subject)
    graph = costs.compiled.phases[phase].graph
    match format:
        case "json":
            write_json(nx.node_link_data(annotated(graph), edges="edges"))
        case "dot":
            print(_dot(graph))
        case _:
            head = ("operator", "kernel", "shape", "repeat", "from")
            write_table(
                head,
                [(op.name, op.kernel, _shape(op.shape), str(op.repeat), str(op.origin)) for op in graph.ops],
            )
    return 0


def _text(model: str, cost_model: str, graphs: Sequence[str]) -> str:
    """The whole text of a family, named itself or by a config of it; `roofline` describes the most."""
    for name in (cost_model, "roofline"):
        library = load_library(graphs_of(name), (GRAPHS, *map(Path, graphs)))
        if model in library.models:
            return model_text(library, model)
    family = find_family(model, cost_model, graphs)
    return model_text(family.library, family.model.name)


def _shape(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={size}" for name, size in shape.items())


def _dot(graph: OpGraph) -> str:
    nodes = [f'  "{op.name}" [label="{op.label}\\n{op.kernel}({_shape(op.shape)})"];' for op in graph.ops]
    edges = [f'  "{source}" -> "{target}";' for source, target in annotated(graph).edges]
    return "\n".join([f'digraph "{graph.model} {graph.step.name}" {{', "  node [shape=box];", *nodes, *edges, "}"])
