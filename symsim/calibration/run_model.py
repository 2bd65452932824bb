"""The prediction of a measured run as a function of an engine's coefficients: compiled once, evaluated often."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from symsim.calibration.runs import Run
from symsim.cost.calibrated import Fitted
from symsim.errors import SymsimError
from symsim.inputs.deployment import Deployment
from symsim.inputs.engine import TIMES, bundled_engines, load_engine, with_times
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.fitted_kernels import largest_shares
from symsim.pipeline.pipeline import compile_model
from symsim.serving.aggregated import deployed, served
from symsim.serving.ask import asked
from symsim.serving.model_step import HOST, Host

RunValues = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """A run, and its metrics at coefficients; those that are not measured are left out. ranks: the most GPUs that share
    a tensor or experts."""

    run: Run
    ranks: int
    at: Callable[[RunValues], Mapping[str, float]]


def run_models(runs: Iterable[Run]) -> tuple[list[Predicted], dict[str, int]]:
    """Every run that can be predicted, and why others cannot: sentence -> how many."""
    found: list[Predicted] = []
    refused: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            try:
                compiled = compile_model(*_subject(run, Path(folder)), "calibrated", "2026-05")
                ranks = compiled.deployment.sharing(experts=compiled.sizes.has_experts)
                found.append(Predicted(run=run, ranks=ranks, at=_metrics(compiled, run)))
            except SymsimError as error:
                refused[str(error)] = refused.get(str(error), 0) + 1
    return found, refused


def _subject(run: Run, folder: Path) -> tuple[str, str, Deployment]:
    engine = _with_every_symbol(run.engine, folder)
    return run.model, run.device, Deployment(**dict(run.deployment), engine=str(engine))


def _with_every_symbol(engine: str, folder: Path) -> Path:
    """The engine with every coefficient stated, so that formulas hold each as a symbol."""
    path = folder / f"{Path(engine).stem}.toml"
    if not path.is_file():
        shipped = load_engine(engine)
        stated = [f'{name} = "{1 if name.startswith("slow") else 0}{_unit(name)}"' for name in TIMES]
        like = shipped.like or shipped.path.stem
        lines = [*([f'like = "{like}"'] if like in bundled_engines() else []), *stated]
        path.write_text(with_times(shipped.path.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return path


def _unit(name: str) -> str:
    return " s" if TIMES[name] == "s" else ""


def _shares(compiled: Compiled) -> tuple[list[Fitted], Mapping[str, float]]:
    """The kernels that it launches, and the shares of rates that they reach alone."""
    kernels = list({kernel for phase in compiled.phases.values() for _, kernel in phase.fitted.values()})
    numbers = {} if compiled.fitted is None else compiled.fitted.numbers
    named = {share for kernel in kernels for share in kernel.shares()}
    return kernels, {name: float(value) for name, (value, _) in numbers.items() if name in named}


def _metrics(compiled: Compiled, run: Run) -> Callable[[RunValues], Mapping[str, float]]:
    ask = asked(**run.load)
    first = deployed(compiled, ask)
    if first.places < 1:
        raise SymsimError(served(first).sentence)
    engines, gpus = first.layout.engines, compiled.deployment.world_size
    kernels, shares = _shares(compiled)

    def at(values: RunValues) -> Mapping[str, float]:
        times: dict[str, Any] = {name: value for name, value in values.items() if name not in HOST}
        times |= dict(largest_shares(kernels, {**shares, **times}))
        step = replace(first.step, iteration=partial(first.step.iteration, **times), host=Host.of(values))
        found = served(replace(first, step=step))
        if not found.solved:
            return {}
        rate = ask.rate or found.values["rate"] * engines
        known: dict[str, Any] = {"tpot_s": found.values.get("tpot_mean"), "ttft_s": found.values.get("ttft_mean")}
        known["output_tok_s_per_gpu"] = rate * ask.osl.mean / gpus
        return {name: value for name, value in known.items() if value is not None}

    return at
