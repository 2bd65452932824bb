"""symsim graph: the operators of one phase."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symsim.command.subject import add_phase, add_subject, compiled, write_json
from symsim.model.op_graph import OpGraph, annotated
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("graph", help="the operator graph of one phase")
    add_subject(ask)
    add_phase(ask)
    ask.add_argument("--format", default="text", choices=["text", "dot", "json"])
    ask.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    ask.set_defaults(command=_graph)


def _graph(*, phase: Any, format: str, **subject: Any) -> int:
    costs = compiled(subject)
    graph = costs.compiled.phases[phase].graph
    match format:
        case "json":
            import networkx as nx

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


def _shape(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={size}" for name, size in shape.items())


def _dot(graph: OpGraph) -> str:
    nodes = [f'  "{op.name}" [label="{op.label}\\n{op.kernel}({_shape(op.shape)})"];' for op in graph.ops]
    edges = [f'  "{source}" -> "{target}";' for source, target in graph.dag.edges]
    return "\n".join([f'digraph "{graph.model} {graph.step.name}" {{', "  node [shape=box];", *nodes, *edges, "}"])
