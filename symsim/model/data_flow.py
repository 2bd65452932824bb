"""The data flow of an operator graph as a networkx graph, for those who ask for it: it takes a tenth of a second to
import."""

from __future__ import annotations

import networkx as nx

from symsim.model.op_graph import OpGraph


def annotated(graph: OpGraph) -> nx.DiGraph[str]:
    """The frozen data flow with each operator's kernel, shape, repeat and graph line as node attributes."""
    dag: nx.DiGraph[str] = nx.DiGraph()
    for op in graph.ops:
        shape = {name: str(size) for name, size in op.shape.items()}
        dag.add_node(
            op.name,
            kernel=op.kernel,
            stage=op.stage,
            shape=shape,
            repeat=str(op.repeat),
            origin=str(op.origin),
        )
    dag.add_edges_from(graph.edges)
    return nx.freeze(dag)
