"""Compiled: what a model, a device and a deployment are compiled to; its metrics in closed form."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sympy

from symsim.algebra.shown import one_line
from symsim.algebra.symbols import symbol
from symsim.cost.chunks import PAST, Chunks
from symsim.cost.derivation import Derivation
from symsim.cost.kernel_cost import Rates, attends
from symsim.cost.memory_steps import MemoryPlan
from symsim.cost.metric_table import Metric, metrics, named_metric, timed
from symsim.cost.priced_step import PricedStep
from symsim.formula.binding import Numbers
from symsim.formula.closed_form import ClosedForm
from symsim.formula.interval import RUNNING
from symsim.inputs.config import ModelConfig
from symsim.inputs.cost_model import CostModel
from symsim.inputs.deployment import PLAIN, Deployment
from symsim.inputs.device import Device
from symsim.inputs.engine import DEFAULT_ENGINE, Engine
from symsim.model.architecture import Architecture
from symsim.model.drafter import drafter_of
from symsim.model.family import Family
from symsim.model.stored_formats import ServedModel
from symsim.paths import display_path
from symsim.pipeline.compilations import cut, derived, phase_of
from symsim.pipeline.fitted_kernels import FittedKernels
from symsim.pipeline.shards import check_deployment, whole_shards
from symsim.quantization.multiply import GemmRate, gemm_rate
from symsim.tables.table import TableContext


class _Forms(Mapping[str, ClosedForm]):
    """The metrics of a compiled model that questions may be about, each derived when it is asked for."""

    def __init__(self, compiled: Compiled) -> None:
        self._names = tuple(name for name, metric in metrics().items() if metric.asked)
        self._compiled = compiled

    def __getitem__(self, name: str) -> ClosedForm:
        if name not in self._names:
            raise KeyError(name)
        return self._compiled.form(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Compiled:
    """A model, a device and a deployment, compiled.

    engine: what plans the memory, None where the cost model does; numbers: the number behind every symbol but the
    workload's; context: binds tables; rates: the peak at which each format of weights is multiplied; attention: that at
    which queries, keys and values are; phases: the priced steps that a deployment is checked by; assumptions: what
    `fallback` took on so that this deployment could be compiled; asked: the deployment as it was given, of which
    `deployment` has every precision decided.
    """

    served: ServedModel
    device: Device
    cost_model: CostModel
    engine: Engine | None
    numbers: Numbers
    context: TableContext
    rates: Rates | None
    attention: GemmRate
    fitted: FittedKernels | None
    phases: Mapping[str, PricedStep]
    assumptions: tuple[str, ...]
    asked: Deployment
    _forms: dict[str, ClosedForm] = field(default_factory=dict[str, ClosedForm], init=False)
    _steps: dict[str, PricedStep] = field(default_factory=dict[str, PricedStep], init=False)

    def __repr__(self) -> str:
        return one_line(self, self.subject)

    @property
    def family(self) -> Family:
        return self.served.family

    @property
    def deployment(self) -> Deployment:
        return self.served.deployment

    @property
    def config(self) -> ModelConfig:
        return self.family.config

    @property
    def sizes(self) -> Architecture:
        return self.family.sizes

    @property
    def prefill(self) -> PricedStep:
        return self.phases["prefill"]

    @property
    def decode(self) -> PricedStep:
        return self.phases["decode"]

    def form(self, metric: str) -> ClosedForm:
        """A metric in closed form, by a name of the table of metrics. Raises SymsimError for another."""
        row = named_metric(metric)
        if row.name not in self._forms:
            plan = self._memory_plan if row.starts_from == "residents" else None
            derivation = derived(row, self.phase(row.name), plan)
            of, fitted = self.phase(row.name).fitted, self.fitted
            ends = {} if fitted is None else {op: fitted.ends(kernel) for op, (_, kernel) in of.items()}
            if fitted is not None and fitted.engine is not None and ends:
                running = fitted.engine.ends
                ends[RUNNING] = running if row.unit == "s" else (1 / running[1], 1 / running[0])
            words = self.subject, self.origin
            chunks = self._chunks(row, derivation)
            self._forms[row.name] = ClosedForm(derivation, self.numbers, self.context, *words, ends, chunks)
        return self._forms[row.name]

    def _chunks(self, row: Metric, derivation: Derivation) -> Callable[[], Chunks] | None:
        """What a metric is for prompts that are longer than an iteration, worked out where one is."""
        step = timed(row)[-1].chunks
        if step is None or not self.cost_model.cuts_prompts:
            return None
        return lambda: cut(row, self.step(step), after=PAST in derivation.free())

    def phase_at(self, metric: str, count: int) -> PricedStep:
        """The priced step whose costs add up to a metric where a prompt takes so many iterations."""
        chunk = timed(named_metric(metric))[-1].chunks
        return self.phase(metric) if chunk is None or count == 1 else self.step(chunk)

    def step(self, step: str) -> PricedStep:
        """A priced step that no deployment is checked by. Raises DeploymentError where it cannot be taken."""
        if step not in self._steps:
            self._steps[step] = self._priced(step)
        return self._steps[step]

    def phase(self, metric: str) -> PricedStep:
        """The priced step that a metric is worked out from."""
        step = named_metric(metric).step
        return self.phases[step] if step in self.phases else self.step(step)

    @cached_property
    def _memory_plan(self) -> MemoryPlan | None:
        """How the engine plans memory; None where the cost model keeps its own reserves."""
        if self.engine is None:
            return None
        origin = f"{display_path(self.engine.path)}, unused"
        return MemoryPlan(self._priced("fullest", timed=False), self.engine.unused, origin)

    def _priced(self, step: str, *, timed: bool = True) -> PricedStep:
        """timed: whether the times of its kernels will be asked for."""
        pad = self.context.figures is not None
        plan = self.fitted.plan if timed and self.fitted is not None else None
        attention = self.attention.precision
        found = phase_of(self.served, step, self.numbers, self.rates, plan, pad=pad, attention=attention)
        check_deployment(self.deployment, (*self.phases.values(), found), self.numbers)
        whole_shards(found, self.numbers, pad=pad)
        return found

    @property
    def forms(self) -> Mapping[str, ClosedForm]:
        """The metrics that questions may be about, each derived when it is asked for."""
        return _Forms(self)

    def with_one_peak(self, metric: str) -> ClosedForm:
        """A metric with the peak of the weight GEMMs named as the device's own: a faster peak is then one input."""
        form = self.form(metric)
        return form.changed(lambda derivation: derivation.substituted({symbol("peak_w"): self.peak}))

    @property
    def peak(self) -> sympy.Symbol:
        """The device's peak that `peak_w` stands for, where the weights have one precision."""
        gemm = self.deployment.gemm
        return symbol(f"peak_{gemm}" if gemm in PLAIN else "peak_bf16")

    @cached_property
    def subject(self) -> str:
        """What is compiled, in words; where an engine's times are counted, which, also if it is the default one."""
        parts = [self.config.path, self.device.name, self.deployment.text()]
        if self.fitted is not None and self.deployment.engine == DEFAULT_ENGINE:
            parts.append(f"engine {DEFAULT_ENGINE}")
        return ", ".join((*parts, f"{self.cost_model.name} cost model", f"tables {self.context.vintage}"))

    @cached_property
    def origin(self) -> str:
        """The words of the command line that compile the same model, device and deployment."""
        words = [self.config.name or self.config.path, "--device", self.device.asked, *self.asked.flags()]
        words += ["--cost-model", self.cost_model.name, "--tables", self.context.vintage]
        words += [word for folder in self.family.graphs for word in ("--graphs", folder)]
        return shlex.join(words if self.context.figures is None else [*words, "--fallback"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the config does not enter this cost model, and which formats are converted to be multiplied."""
        name, model = self.config.path, self.cost_model.name
        notes: list[str] = []
        if self.sizes.unread and not self.family.assumptions:
            keys = ", ".join(self.sizes.unread)
            notes.append(f"{name}: the {model} graphs do not understand {keys}; it may change cost and is not counted")
        drafts = drafter_of(self.family)
        if keys := ", ".join(key for key in self.sizes.omitted if drafts is None or key != drafts.key):
            notes.append(f"{name}: the {model} cost model does not count what these keys describe: {keys}")
        if drafts is not None and drafts.key in self.sizes.omitted:
            notes.append(f"{name}: drafts ({drafts.key}) are counted where requests ask for them: predict --drafts")
        if self.engine is None and (self.asked.memory_share is not None or self.asked.engine != DEFAULT_ENGINE):
            notes.append(f"the {model} cost model keeps its own reserves: no engine's share of memory is counted")
        notes += [self.family.by_rule] if self.sizes.by_rule else []
        rates = [gemm_rate(layer, self.device) for layer in self.served.every]
        converted = dict.fromkeys(rate.sentence for rate in rates if rate.converted)
        if self.attention.is_news and attends(self.decode.graph, self.family.library):
            converted[self.attention.sentence] = None
        uncalibrated = () if self.fitted is None else self.fitted.sentences
        kernels = {op.kernel for op in self.decode.graph.ops}
        stand_ins = {} if self.fitted is None else self.fitted.notes
        told = [note for kernel, note in stand_ins.items() if kernel in kernels]
        return (*notes, *self.served.notes, *converted, *uncalibrated, *told)
