"""The pipeline on one screen: config + graph text + device + deployment -> served model -> phases -> Compiled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from symsim.cost.kernel_cost import Rates
from symsim.errors import SymsimError, did_you_mean
from symsim.formula.binding import bind_all, table_context
from symsim.inputs.cost_model import VINTAGES, CostModel, named_cost_model
from symsim.inputs.deployment import Deployment
from symsim.inputs.device import Device, load_device
from symsim.inputs.engine import Engine, load_engine
from symsim.inputs.space import with_size
from symsim.model.family import Family, find_family
from symsim.model.stored_formats import ServedModel, serve
from symsim.pipeline.blocks import cut_blocks
from symsim.pipeline.compilations import phase_of
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.fitted_kernels import FittedKernels, kernels_alone
from symsim.pipeline.shards import check_deployment, whole_shards
from symsim.quantization.multiply import GemmRate, attention_rate, gemm_rate
from symsim.tables.table import rows_of

STEPS = ("prefill", "decode")
"""The steps that a deployment is checked by; others are priced when a metric of theirs is asked for."""


def compile_model(
    model: str | Path,
    device: str | Path,
    deployment: Deployment,
    cost_model: str,
    tables: str,
    *,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
) -> Compiled:
    """Find the family that describes a model, and compile it for a device and a deployment; arguments as `compile`'s.

    Raises SymsimError, always with what is wrong, where, and what to do.
    """
    if tables not in VINTAGES:
        raise SymsimError(f"no table vintage {tables!r}; {did_you_mean(tables, VINTAGES)}")
    family = find_family(model, cost_model, graphs, fallback=fallback)
    chip = load_device(device)
    return assembled(family, chip, deployment, named_cost_model(cost_model), tables, fallback=fallback)


def assembled(
    family: Family,
    device: Device,
    asked: Deployment,
    cost_model: CostModel,
    tables: str,
    *,
    fallback: bool,
    steps: Sequence[str] = STEPS,
) -> Compiled:
    """Decide formats, bind numbers, lower and price steps: what of compiling depends on the deployment.

    steps: those that the deployment is checked by now; others are when a metric of theirs is asked for.
    """
    served = serve(family, _convertible(asked, device, cost_model).placed(device.gpus_per_node), cost_model)
    sizes, deployment = served.family.sizes, served.deployment
    engine = load_engine(asked.engine) if cost_model.plans_by_engine else None
    numbers = bind_all(sizes, device, deployment, cost_model, served.stored, engine)
    fitted = _fitted(device, deployment, cost_model, engine, experts=sizes.has_experts)
    numbers = numbers if fitted is None else numbers.with_rows(fitted.numbers)
    residuals = () if fitted is None else fitted.residuals
    context = table_context(device, deployment, cost_model, tables, fallback=fallback, residuals=residuals)
    rates, attention = _rates(served, device), _attention(served, device, cost_model, tables)
    plan = None if fitted is None else fitted.plan
    phases = {
        step: phase_of(served, step, numbers, rates, plan, pad=fallback, attention=attention.precision)
        for step in steps
    }
    check_deployment(deployment, phases.values(), numbers)
    cut = cut_blocks(phases["decode"], served, numbers, allowed=fallback)
    padded = [sentence for phase in phases.values() for sentence in whole_shards(phase, numbers, pad=fallback)]
    return Compiled(
        served=served,
        device=device,
        cost_model=cost_model,
        engine=engine,
        numbers=numbers,
        context=context,
        rates=rates,
        attention=attention,
        fitted=fitted,
        phases=phases,
        assumptions=tuple(dict.fromkeys((*served.family.assumptions, *padded, *cut))),
        asked=asked,
    )


def compiled_for(compiled: Compiled, size: str, value: int) -> Compiled:
    """The same model with another size of the deployment. Raises DeploymentError where it cannot be deployed so."""
    return compiled_as(compiled, with_size(compiled.asked, size, value))


def compiled_as(compiled: Compiled, new: Deployment, steps: Sequence[str] = STEPS) -> Compiled:
    """The same model deployed otherwise, checked by these steps. Raises DeploymentError where it cannot be."""
    words = compiled.family, compiled.device, new, compiled.cost_model, compiled.context.vintage
    return assembled(*words, fallback=compiled.context.figures is not None, steps=steps)


def _fitted(
    device: Device, deployment: Deployment, cost_model: CostModel, engine: Engine | None, *, experts: bool
) -> FittedKernels | None:
    """The measured kernels that stand in for those of the graphs, where the cost model goes by them. experts: whether
    the model has any."""
    kernels = kernels_alone(device, deployment, cost_model, engine)
    if kernels is None or engine is None:
        return kernels
    return kernels.served_by(device, engine, deployment.sharing(experts=experts))


def _convertible(asked: Deployment, device: Device, cost_model: CostModel) -> Deployment:
    """fp8 weights on a device without such units are a format that is converted before it is multiplied."""
    converted = asked.gemm == "fp8" and "fp8" not in device.precisions and cost_model.reads_checkpoint
    return replace(asked, gemm="fp8 x fp8") if converted else asked


def _attention(served: ServedModel, device: Device, cost_model: CostModel, tables: str) -> GemmRate:
    """At which peak attention multiplies. Measured shares of a peak are of that of bf16, whatever the cache is in, and
    fitted kernels have the arithmetic of each cache in their coefficients."""
    kv = served.kv.name if served.kv is not None else str(served.deployment.kv)
    rate = attention_rate(kv, device)
    measured = cost_model.fitted or rows_of("mfu_gqa_decode", device.key, tables, cost_model.name)
    return GemmRate("bf16", False, "") if measured or not cost_model.reads_checkpoint else rate


def _rates(served: ServedModel, device: Device) -> Rates | None:
    """The precision at which the device multiplies each format, where weights have formats of their own."""
    if served.formats is None:
        return None
    return {layer: gemm_rate(layer, device).precision for layer in served.every}
