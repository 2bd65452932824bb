"""The pipeline on one screen: model + device + deployment -> Costs, whose metrics are Formulas."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import networkx as nx
import sympy

from symsim.algebra.symbols import KNOWN, symbol
from symsim.cost.kernel_cost import Rates, costs
from symsim.cost.metrics import Derivation, PricedPhase, max_batch, memory, priced_phase, tgs, tpot, ttft
from symsim.errors import DeploymentError, SymsimError, did_you_mean
from symsim.formula.binding import Numbers, bind_all, deciding_numbers, table_context
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.config import ModelConfig, bundled_models
from symsim.inputs.cost_model import VINTAGES, CostModel, named_cost_model
from symsim.inputs.deployment import CHECKPOINT, Deployment, resized
from symsim.inputs.device import Device, load_device
from symsim.language.tree import Library, Model
from symsim.model.architecture import Architecture
from symsim.model.family import Family, find_family
from symsim.model.lower import Facts, lower
from symsim.model.op_graph import Guard, Phase, annotated
from symsim.model.stored_formats import ServedModel, serve
from symsim.paths import CONFIGS, HARDWARE, display_path
from symsim.pipeline.formula import Formula
from symsim.quantization.multiply import gemm_rate
from symsim.solve.answer import Answer
from symsim.solve.solver import solve
from symsim.tables.table import TableContext


@dataclass(frozen=True, eq=False)
class Costs:
    """A compiled model: formulas for every metric, and the graphs they come from.

    notes: sentences about config keys that the cost model leaves out or does not understand; assumptions: what
    `fallback` took on so that this deployment could be compiled; asked: the deployment as it was given, of which
    `deployment` has every precision decided.
    """

    family: Family
    device: Device
    deployment: Deployment
    cost_model: CostModel
    bound: Numbers
    context: TableContext
    prefill: PricedPhase
    decode: PricedPhase
    assumptions: tuple[str, ...]
    served: ServedModel
    asked: Deployment

    @property
    def config(self) -> ModelConfig:
        return self.family.config

    @property
    def model(self) -> Model:
        return self.family.model

    @property
    def sizes(self) -> Architecture:
        return self.family.sizes

    @cached_property
    def tpot(self) -> Formula:
        """Time per output token, seconds, in B, S, O."""
        return self._formula(_derived(self.decode)["tpot"])

    @cached_property
    def ttft(self) -> Formula:
        """Time to first token, seconds, in T, S."""
        return self._formula(_derived(self.prefill)["ttft"])

    @cached_property
    def tgs_decode(self) -> Formula:
        """Output tokens per GPU and second, in B, S, O."""
        return self._formula(_derived(self.decode)["tgs_decode"])

    @cached_property
    def tgs_prefill(self) -> Formula:
        """Input tokens per GPU and second, in T, S."""
        return self._formula(_derived(self.prefill)["tgs_prefill"])

    @cached_property
    def memory(self) -> Formula:
        """Bytes used on one GPU, in B, S, O."""
        return self._formula(_derived(self.decode)["memory"])

    @cached_property
    def max_batch(self) -> Formula:
        """Largest decode batch per GPU that fits in memory, in S, O."""
        return self._formula(_derived(self.decode)["max_batch"])

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The operators of one decode step, frozen, with kernel, shape and repeat of each as node attributes."""
        return annotated(self.decode.graph)

    @property
    def peak(self) -> sympy.Symbol:
        """The device's peak that `peak_w` stands for, where the weights have one precision."""
        gemm = self.deployment.gemm
        return symbol("peak_bf16" if gemm == CHECKPOINT else f"peak_{gemm}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What of the config does not enter this cost model."""
        return tuple(_notes(self))

    def metric(self, name: str) -> Formula:
        """A metric by the name that the command line and queries use, in any case."""
        key = {"tgs": "tgs_decode"}.get(name.lower(), name.lower().replace("-", "_"))
        if key not in METRICS:
            raise SymsimError(f"there is no metric {name}; {did_you_mean(key, METRICS)}")
        return getattr(self, key)

    def with_one_peak(self, metric: str) -> ClosedForm:
        """A metric with the peak of the weight GEMMs named as the device's own: a faster peak is then one input."""
        form = self.metric(metric).form
        return ClosedForm(form.derivation.substituted({symbol("peak_w"): self.peak}), form.bound, form.context)

    def solve(self, query: str) -> Answer:
        """Answer a question such as `max B subject to TPOT <= 50 ms, memory <= capacity`."""
        return solve(query, self.forms, self._resized)

    @property
    def forms(self) -> Mapping[str, ClosedForm]:
        """The metrics that questions may be about."""
        return {name: self.metric(name).form for name in METRICS if name != "max_batch"}

    def _resized(self, size: str, value: int) -> Mapping[str, ClosedForm]:
        """The same model with another size of the deployment; a node holds as many GPUs as now, or as the device's."""
        new = resized(self.asked, size, value, self.device.gpus_per_node)
        parts = (self.family, self.device, new, self.cost_model)
        return _assembled(*parts, self.context.vintage, fallback=self.context.figures is not None).forms

    def _formula(self, derivation: Derivation) -> Formula:
        parts = (
            self.config.path,
            self.device.name,
            self.deployment.text(),
            f"{self.cost_model.name} cost model",
        )
        subject = ", ".join((*parts, f"tables {self.context.vintage}"))
        return Formula(ClosedForm(derivation, self.bound, self.context), subject, self.origin)

    @property
    def origin(self) -> str:
        """The words of the command line that compile the same model, device and deployment."""
        bundled = [name for name in bundled_models() if display_path(CONFIGS / f"{name}.json") == self.config.path]
        device = self.device.path.stem if self.device.path.parent == HARDWARE else str(self.device.path)
        words = [*(bundled or [self.config.path]), "--device", device, *self.asked.flags()]
        words += ["--cost-model", self.cost_model.name, "--tables", self.context.vintage]
        words += [word for folder in self.family.graphs for word in ("--graphs", folder)]
        return shlex.join(words if self.context.figures is None else [*words, "--fallback"])


_TWO_BATCH = symbol("two_batch")
_TWO_BATCH_SET = sympy.Ne(_TWO_BATCH, 0)
METRICS = ("tpot", "ttft", "tgs_decode", "tgs_prefill", "memory", "max_batch")


def compile(
    model: str | Path,
    device: str | Path,
    deployment: Deployment | None = None,
    cost_model: str = "infersim",
    tables: str = "2026-05",
    *,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
) -> Costs:
    """Lower a model for a device and a deployment; every metric is then a closed-form Formula.

    model: bundled name, path to a config.json or a folder that holds one; device: bundled name or path to a TOML;
    graphs: folders with graph files of more models; fallback: where a table, a deployment or a config key would be
    refused, go on with a stated assumption.
    Raises SymsimError, always with what is wrong, where, and what to do.

    >>> costs = compile("qwen3-8b", "h20")
    >>> round(costs.tpot.evaluate(B=64, S=4096, O=2048), 4)
    0.0286
    """
    if tables not in VINTAGES:
        raise SymsimError(f"no table vintage {tables!r}; {did_you_mean(tables, VINTAGES)}")
    deployment = deployment or Deployment()
    family = find_family(model, cost_model, graphs, fallback=fallback)
    chip = load_device(device)
    return _assembled(family, chip, deployment, named_cost_model(cost_model), tables, fallback=fallback)


def _assembled(
    family: Family,
    chip: Device,
    deployment: Deployment,
    cost_model: CostModel,
    tables: str,
    *,
    fallback: bool,
) -> Costs:
    """Bind, lower and price: the part of compiling that depends on the deployment."""
    served = serve(family, deployment, cost_model)
    family, asked, deployment = served.family, deployment, served.deployment
    bound = bind_all(family.config, family.sizes, chip, deployment, cost_model, served.stored)
    rates = _rates(served, chip)
    prefill, decode = (phase_of(served, phase, bound, rates, pad=fallback) for phase in ("prefill", "decode"))
    binding = table_context(chip, deployment, cost_model, tables, fallback=fallback)
    _check(deployment, (prefill, decode), bound)
    assumed = [whole_shards(phased, bound, pad=fallback) for phased in (prefill, decode)]
    assumptions = tuple(dict.fromkeys((*family.assumptions, *assumed[0], *assumed[1])))
    return Costs(family, chip, deployment, cost_model, bound, binding, prefill, decode, assumptions, served, asked)


def _rates(served: ServedModel, chip: Device) -> Rates | None:
    """The precision at which the device multiplies each format, where weights have formats of their own."""
    if served.formats is None:
        return None
    return {layer: gemm_rate(layer, chip).precision for layer in served.every}


def phase_of(
    served: ServedModel, phase: Phase, bound: Numbers, rates: Rates | None = None, *, pad: bool = False
) -> PricedPhase:
    """One phase, lowered and priced. Deployments that decide every `when` alike share one compilation.

    So do configs, if they have the same kinds of layers too, however many of each.
    """
    family, numbers = served.family, deciding_numbers(bound, phase)
    kinds = tuple(kind.form for kind in family.sizes.kinds)
    formats = None if rates is None else (served.formats, frozenset(rates.items()))
    seen = _specialised(family.library, family.model.name, phase, pad, kinds, formats)
    fitting = (found for guards, found in seen if all(guard.holds(numbers) for guard in guards))
    found = next(fitting, None)
    if found is None:
        guards, found = _specialise(served, phase, numbers, rates, pad)
        seen.append((guards, found))
    return found


def _check(deployment: Deployment, phases: tuple[PricedPhase, ...], bound: Numbers) -> None:
    """Raise DeploymentError for a deployment that the graph text refuses, or that makes no sense for the model."""
    for phased in phases:
        numbers = deciding_numbers(bound, phased.graph.phase)
        for refusal in phased.graph.refusals:
            sentence = refusal.failure(numbers)
            if sentence is not None:
                raise DeploymentError(f"{sentence}; choose another deployment or cost model")
    if deployment.ep is not None and not any(_has_experts(phased) for phased in phases):
        raise DeploymentError(f"ep = {deployment.ep}: the model has no experts to spread; leave ep out")


def _has_experts(phased: PricedPhase) -> bool:
    """Whether anything of it depends on how experts are spread."""
    ep = symbol("ep")
    spoken = {found for guard in phased.guards for found in guard.symbols()}
    return ep in spoken or any(ep in cost.hbm_bytes.free_symbols for cost in phased.costs.values())


def whole_shards(phased: PricedPhase, bound: Numbers, *, pad: bool) -> list[str]:
    """What is padded so that shards are whole. Raises DeploymentError where they are not and nothing may be padded."""
    numbers = deciding_numbers(bound, phased.graph.phase)
    meanings = {**bound.sources, **{name: info.meaning for name, info in KNOWN.items()}}
    failures = [found for whole in phased.graph.whole if (found := whole.failure(numbers, meanings)) is not None]
    for sentence, _ in failures:
        if not pad:
            hint = "choose a deployment in which it does, or pad with --fallback"
            raise DeploymentError(f"{sentence}; {hint}")
    return [f"{sentence}: fallback, padded to {padded}" for sentence, padded in failures]


def _specialise(
    served: ServedModel, phase: Phase, numbers: Facts, rates: Rates | None, pad: bool
) -> tuple[tuple[Guard, ...], PricedPhase]:
    family = served.family
    graph = lower(family.model, family.library, phase, numbers, family.sizes.kinds, pad=pad, formats=served.formats)
    priced, decided = costs(graph, family.library, numbers, rates=rates)
    two_batches = bool(numbers[_TWO_BATCH])
    flag = Guard(_TWO_BATCH_SET, two_batches)
    phased = priced_phase(graph, priced, (*decided, flag), two_batches)
    return phased.guards, phased


@cache
def _specialised(
    library: Library, model: str, phase: Phase, pad: bool, kinds: tuple[object, ...], formats: object
) -> list[tuple[tuple[Guard, ...], PricedPhase]]:
    """The compilations so far, each with the conditions under which it holds."""
    return []


@cache
def _derived(phased: PricedPhase) -> Mapping[str, Derivation]:
    if phased.graph.phase == "prefill":
        time = ttft(phased)
        return {"ttft": time, "tgs_prefill": tgs(phased, time)}
    time = tpot(phased)
    return {
        "tpot": time,
        "tgs_decode": tgs(phased, time),
        "memory": memory(phased),
        "max_batch": max_batch(phased),
    }


def _notes(costs: Costs) -> list[str]:
    name, model = costs.config.path, costs.cost_model.name
    notes: list[str] = []
    if costs.sizes.unread and not costs.family.assumptions:
        keys = ", ".join(costs.sizes.unread)
        notes.append(f"{name}: the {model} graphs do not understand {keys}; it may change cost and is not counted")
    if costs.sizes.omitted:
        keys = ", ".join(costs.sizes.omitted)
        notes.append(f"{name}: the {model} cost model does not count what these keys describe: {keys}")
    rates = [gemm_rate(layer, costs.device) for layer in costs.served.every]
    return [*notes, *costs.served.notes, *dict.fromkeys(rate.sentence for rate in rates if rate.converted)]
