"""A step of an engine, priced: its graph, with the cost and the time of every operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sympy import Expr

from symsim.cost.calibrated import Fitted, KernelPlan, fitted_times
from symsim.cost.engine_terms import EngineTerms
from symsim.cost.kernel_cost import Cost
from symsim.cost.roofline import Time, time
from symsim.cost.schedule import overlaps
from symsim.model.op_graph import Guard, Op, OpGraph


@dataclass(frozen=True, slots=True, eq=False)
class PricedStep:
    """One phase, priced: its graph, costs and times by operator name; guards: the conditions under which it holds.

    fitted: the seconds of operators that measured kernels stand in for, and which; engine: what it adds to them.
    """

    graph: OpGraph
    costs: Mapping[str, Cost]
    overlapped: bool
    guards: tuple[Guard, ...]
    fitted: Mapping[str, tuple[Expr, Fitted]] = field(default_factory=dict[str, tuple[Expr, Fitted]])
    engine: EngineTerms | None = None

    def times(self) -> Mapping[str, Time]:
        times = {name: time(cost) for name, cost in self.costs.items()}
        return {**times, **{name: replace(times[name], fitted=seconds) for name, (seconds, _) in self.fitted.items()}}

    def passes(self, op: Op) -> tuple[Expr, ...]:
        """How often a step executes an operator: a token waits pp times for the slowest pipeline stage, or rather, for
        each that may be the slowest."""
        if not op.body:
            return (op.repeat,) * max(1, len(self.graph.stages))
        counts = [stage.get(op.body, op.body_repeat) for stage in self.graph.stages.values()] or [op.body_repeat]
        return tuple(self.graph.degrees["pp"] * (op.repeat / op.body_repeat * count) for count in counts)


def priced_phase(
    graph: OpGraph,
    costs: Mapping[str, Cost],
    decided: tuple[Guard, ...],
    two_batches: bool,
    plan: KernelPlan | None = None,
) -> PricedStep:
    """A phase, overlapped when asked and when its layers can be. decided: what pricing the kernels decided; plan: the
    measured kernels that stand in for its operators, where they do."""
    fitted = {} if plan is None else fitted_times(graph, costs, plan)
    overlapped = two_batches and any(overlaps(stages) for stages in ops_by_body(graph).values())
    guards = tuple(dict.fromkeys((*graph.guards, *decided)))
    return PricedStep(graph, costs, overlapped, guards, fitted, None if plan is None else plan.engine)


def ops_by_body(graph: OpGraph) -> Mapping[str, Mapping[str, list[Op]]]:
    """Body -> stage -> operators, in the order of the graph text."""
    found: dict[str, dict[str, list[Op]]] = {}
    for op in graph.ops:
        found.setdefault(op.body, {}).setdefault(op.stage, []).append(op)
    return found
