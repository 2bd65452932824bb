"""Costs: the public face of a compiled model. Its metrics are Formulas; questions about them are its methods.

A method imports what it delegates to: who asks for one thing does not wait for the others to be imported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.api.formula import Formula
from symsim.cost.metric_table import metrics, named_metric
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.cost_model import DEFAULT, LATEST
from symsim.inputs.deployment import Deployment
from symsim.inputs.space import NARROWER, SIZES, deployments, differences, resized
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.memory_parts import shortage
from symsim.pipeline.pipeline import STEPS, compile_model, compiled_as, compiled_for
from symsim.pipeline.replicas import batch_in_words

if TYPE_CHECKING:
    import networkx as nx

    from symsim.analysis.comparison import Comparison
    from symsim.analysis.crossings import Crossing
    from symsim.analysis.regime_map import AxisEnds, RegimeMap
    from symsim.analysis.regimes import Regimes
    from symsim.analysis.sensitivity import Sensitivity
    from symsim.analysis.step_report import StepReport
    from symsim.api.prediction import Prediction
    from symsim.language.query import Query
    from symsim.serving.iteration_time import IterationTime
    from symsim.serving.load_regimes import LoadRegimes
    from symsim.solve.answer import Answer
    from symsim.solve.size import Candidate


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Costs:
    """A compiled model: a Formula for every metric of `symsim list metrics` (tpot, ttft, memory, ...), and questions.

    compiled: the stages behind them: numbers, phases with their graphs, the deployment with its precisions decided.
    """

    compiled: Compiled

    def __repr__(self) -> str:
        return one_line(self, self.compiled.subject)

    def _repr_html_(self) -> str:
        rows = {metric.name: f"{metric.meaning} [{metric.unit}]" for metric in metrics().values()}
        return html_table(self.compiled.subject, rows)

    def __getattr__(self, name: str) -> Formula:
        if name not in metrics():
            raise AttributeError(f"Costs has no {name}; its metrics are {', '.join(metrics())}")
        return self.metric(name)

    def __dir__(self) -> list[str]:
        return sorted({*(name for name in object.__dir__(self) if not name.startswith("_")), *metrics()})

    def metric(self, name: str) -> Formula:
        """A metric by the name that the command line and queries use, in any case."""
        return Formula(self.compiled.form(name))

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The operators of one decode step, frozen, with kernel, shape and repeat of each as node attributes."""
        from symsim.model.data_flow import annotated

        return annotated(self.compiled.decode.graph)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what of the config does not enter this cost model."""
        return self.compiled.notes

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What `fallback` took on so that this deployment could be compiled."""
        return self.compiled.assumptions

    def solve(self, query: str) -> Answer:
        """Answer a question such as `max B subject to TPOT <= 50 ms, memory <= capacity`, or about requests under load:
        `max rate subject to TTFT_p90 <= 2 s, TPOT <= 50 ms with S = 4096, O = 512`."""
        from symsim.language.query_text import parse_query
        from symsim.serving.question_words import is_about_load
        from symsim.serving.questions import answered
        from symsim.solve.solver import solve

        if is_about_load(asked_for := parse_query(query)):
            return answered(self.compiled, asked_for)
        ways = (self._others(), self._formats())
        answer = solve(query, self.compiled.forms, self._forms_with, ways, self._forms_in)
        if answer.value is None:
            return answer
        used = _as_asked(self.compiled, asked_for, answer)
        rows = {answer.variable: answer.value, **answer.at}.get("B")
        told = _not_asked(used, asked_for, answer)
        sure = self._reach(query, asked_for, answer)
        batch = None if rows is None else batch_in_words(used, int(rows))
        return replace(answer, batch=batch, warnings=(*answer.warnings, *told, *([sure] if sure else [])))

    def _reach(self, query: str, parsed: Query, answer: Answer) -> str:
        """Up to where the answer is sure, and possible, where times were fitted."""
        from symsim.api.sureness import EndForms, reach
        from symsim.solve.solver import solve

        if self.compiled.fitted is None or answer.value is None:
            return ""
        found = {**answer.assumed, **_stated(parsed), parsed.variable: answer.value, **answer.at}
        point = {name: value for name, value in found.items() if name not in SIZES}

        def solved(end: int) -> Answer:
            def ends(forms: Mapping[str, ClosedForm]) -> EndForms:
                return EndForms(forms, point, end)

            resized = (
                lambda size, value: ends(self._forms_with(size, value)),
                ((), ()),
                lambda sizes, whole: ends(self._forms_in(sizes, whole)),
            )
            return solve(query, ends(self.compiled.forms), *resized)

        return reach(answer, parsed.goal, solved)

    def predict(self, isl: float | str, osl: float | str, **how: Any) -> Prediction:
        """What is served of requests of these lengths: `rate` or `concurrency`, and `budget`, `exclusive_prefill`,
        `prefix_hit`, `drafts`, `acceptance`, `max_running`, `prompts`, `queue`, `interval`, `together`, `price`,
        `prefill`, `decode`."""
        from symsim.api.prediction import predict
        from symsim.serving.ask import asked

        return predict(self.compiled, asked(isl, osl, **how))

    def report(self, level: float = 0.9, **at: float) -> StepReport:
        """TTFT, TPOT, throughput, memory and what binds at a workload point, e.g. `B=64, S=4096, O=1024`; intervals in
        `level` of all cases where the cost model knows its error."""
        from symsim.analysis.step_report import step_report

        return step_report(self.compiled, level, **at)

    def iteration_time(self, drafts: int = 0) -> IterationTime:
        """Seconds of an iteration as a function of what a batch is made of, for a simulator of an engine to call:
        `(tokens, contexts, pairs, rows)`; as Python, C or JavaScript source, too."""
        from symsim.serving.iteration_time import iteration_time

        return iteration_time(self.compiled, drafts)

    def regimes(
        self,
        metric: str = "tpot",
        variable: str = "B",
        low: float | None = None,
        high: float | None = None,
        **at: float,
    ) -> Regimes:
        """The exact pieces of a metric along one symbol; see `symsim.regimes`."""
        from symsim.analysis.regimes import regimes_along

        return regimes_along(self.compiled.form(metric), variable, low, high, **at)

    def load_regimes(
        self, variable: str = "rate", low: float | None = None, high: float | None = None, **at: float
    ) -> LoadRegimes:
        """What limits requests along their rate, clients, budget, ...: the budget, caches, HBM or compute, nothing at
        all. at: `S`, `O`, `budget`, ... as questions name them."""
        from symsim.serving.load_regimes import regimes_of_load

        return regimes_of_load(self.compiled, variable, low, high, **at)

    def regime_map(
        self, metric: str, variables: tuple[str, str], ranges: tuple[AxisEnds, AxisEnds], **at: float
    ) -> RegimeMap:
        """The regime map of a metric in two symbols; see `symsim.regime_map`."""
        from symsim.analysis.regime_map import map_regimes

        return map_regimes(self.compiled.form(metric), variables, ranges, **at)

    def sensitivities(self, metric: str = "tpot", names: Sequence[str] = (), **at: float) -> tuple[Sensitivity, ...]:
        """Every input of a metric, the one that moves it most first; see `symsim.sensitivities`."""
        from symsim.analysis.sensitivity import ranked_inputs

        return ranked_inputs(self.compiled.form(metric), names, **at)

    def compare(self, other: Costs, metric: str = "tpot", **at: int) -> Comparison:
        """What changes from this model to another, term by term; see `symsim.compare`."""
        from symsim.analysis.comparison import compare_forms

        return compare_forms(self.compiled.form(metric), other.compiled.form(metric), **at)

    def crossings(self, other: Costs, metric: str = "tpot", variable: str = "C", **at: int) -> tuple[Crossing, ...]:
        """Where a metric of the other starts or stops being the smaller one; see `symsim.crossings`."""
        from symsim.analysis.crossings import crossings_of

        return crossings_of(self.compiled.form(metric), other.compiled.form(metric), variable, **at)

    def page(self, file: str | Path, sla: float = 0.05, **at: float) -> Path:
        """Write one HTML file with the formula, sliders and live pictures; it asks no address for anything.

        at: where its sliders stand at first; sla: limit of TPOT that is drawn, in seconds. Returns the file.
        Raises SymsimError for a symbol that is no input of the page, for a file that cannot be written, and without the
        extra `page`.
        """
        from symsim.webpage.page import write_page

        return write_page(self.compiled, file, sla, at)

    def _formats(self) -> Iterator[Candidate]:
        """The same deployment with weights and caches in other formats."""
        asked = self.compiled.asked
        for formats in NARROWER:
            other = replace(asked, **{**formats, **{n: None for n in ("world_size", "dp") if n not in asked.given}})
            yield formats, lambda whole, other=other: compiled_as(self.compiled, other, _STEPS[whole]).forms

    def _others(self) -> Iterator[Candidate]:
        """Every other deployment, the smallest first."""
        asked = self.compiled.asked
        for other in deployments(asked):
            if sizes := differences(asked, other):
                yield sizes, lambda whole, other=other: compiled_as(self.compiled, other, _STEPS[whole]).forms

    def _forms_in(self, sizes: Mapping[str, int], whole: bool) -> Mapping[str, ClosedForm]:
        """The metrics with other sizes of the deployment, checked by all steps, or by a decode step alone."""
        return compiled_as(self.compiled, resized(self.compiled.asked, sizes), _STEPS[whole]).forms

    def _forms_with(self, size: str, value: int) -> Mapping[str, ClosedForm]:
        """The metrics with another size of the deployment."""
        return compiled_for(self.compiled, size, value).forms


_STEPS: Mapping[bool, Sequence[str]] = {True: STEPS, False: ("decode",)}
"""The steps that a deployment is checked by: all of them, or at first."""


def _not_asked(used: Compiled, query: Query, answer: Answer) -> tuple[str, ...]:
    """That an answer does not fit in memory, where the question has no word on it."""
    asked = {named_metric(constraint.metric).name for constraint in query.constraints}
    if "memory" in asked:
        return ()
    short = shortage(used, {**answer.assumed, **_stated(query), **(answer.at or {query.variable: answer.value or 0})})
    return () if short is None else (short,)


def _as_asked(compiled: Compiled, query: Query, answer: Answer) -> Compiled:
    """The model as the question, or its answer, deploys it."""
    found = answer.at or {query.variable: answer.value or 0}
    given = {name.lower(): value for name, value in query.fixed.items()}
    sizes = {name: int(given[name].value("1")) for name in SIZES if name in given and name not in found}
    sizes |= {name: int(value) for name, value in found.items() if name in SIZES}
    match [*sizes.items()]:
        case []:
            return compiled
        case [(size, value)]:
            return compiled_for(compiled, size, value)
        case _:
            return compiled_as(compiled, resized(compiled.asked, sizes))


def _stated(query: Query) -> dict[str, float]:
    """What a question fixes of the workload and of other symbols."""
    units = {name: symbol_info(name).unit for name in query.fixed if is_symbol(name) and name not in SIZES}
    return {name: float(query.fixed[name].value(unit)) for name, unit in units.items()}


def compile(
    model: str | Path,
    device: str | Path,
    deployment: Deployment | None = None,
    cost_model: str = DEFAULT,
    tables: str = LATEST,
    *,
    engine: str | Path | None = None,
    calibration: str | Path | None = None,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
) -> Costs:
    """Lower a model for a device and a deployment; every metric is then a closed-form Formula.

    model: bundled name, path to a config.json or a folder that holds one; device: bundled name or path to a TOML;
    engine: what plans the memory and adds to kernels' times, the deployment's unless given, bundled name or path to a
    TOML; calibration: an engine of one's own, as `fit` writes it, or a folder of coefficients of kernels;
    graphs: folders with graph files of more models;
    fallback: where a table, a deployment or a config key would be refused, go on with a stated assumption.
    Raises SymsimError, always with what is wrong, where, and what to do.

    >>> costs = compile("qwen3-8b", "h20")
    >>> round(costs.tpot.evaluate(B=64, S=4096, O=2048), 4)
    0.0279
    """
    used = deployment or Deployment()
    engine = calibration or engine
    if engine is not None:
        follows = {name: None for name in ("world_size", "dp") if name not in used.given}
        used = replace(used, **{**follows, "engine": engine})
    return Costs(compile_model(model, device, used, cost_model, tables, graphs=graphs, fallback=fallback))
