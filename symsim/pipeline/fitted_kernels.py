"""Which measured kernels stand in for those of a device and an engine, and the numbers behind their coefficients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from sympy import Expr, Integer, Rational

from symsim.algebra.symbols import coefficient_symbol
from symsim.algebra.units import parse_quantity
from symsim.cost.calibrated import Fitted, KernelPlan, Key, key_of
from symsim.cost.operators import Operator, all_dtypes, operators
from symsim.errors import DataError
from symsim.formula.extrapolation import beyond
from symsim.inputs.cost_model import CostModel
from symsim.inputs.deployment import Deployment
from symsim.inputs.device import Device
from symsim.inputs.engine import DEFAULT_ENGINE, Engine, bundled_engines
from symsim.inputs.source import Source
from symsim.paths import display_path
from symsim.pipeline.engine_times import FittedEngine, fitted_engine
from symsim.tables.coefficients import Coefficients, coefficients_of, own_coefficients, spellings
from symsim.tables.engine_times import architecture_of, shipped_times
from symsim.tables.residuals import residual_function

_ENGINES = ("vllm", "sglang", "trtllm", "infersim", "nccl")
"""Whose kernels stand in where an engine has none of a kind, in this order; NCCL's collectives are everybody's."""

_FACTOR = 1.5
"""Of an interval where a kernel of another engine or cache stands in: engines differ by 3 to 20 % in the median."""


_BY_RUNS = 2.0
"""Of an interval where another card's kernels stand in and runs say how much slower they are."""

_HOST = 50e-6
"""A constant above it is time of the host, which a captured graph does not take: vLLM's block-quantised GEMMs were
measured without one, 80 to 190 us, and so were the messages of TensorRT-LLM and vLLM between experts, 50 to 400 us."""

_ONE_NODE = 8
"""GPUs between which messages were measured."""

_MESSAGES = {"collectives": ("bfloat16", "half"), "all_to_all": ("default", "bfloat16")}
"""Number formats of messages, as tables that do not tell them by the format of weights spell them."""


@dataclass(frozen=True, slots=True)
class FittedKernels:
    """plan: what stands in for which kernels; numbers: symbol -> its value and where it is from; sets: symbol -> the
    set of coefficients that it is of, and the kernel that it stands in for; sentences: what was not measured on this
    device with this engine; notes: kernel of the graphs -> what to know of the one that stands in for it; engine: its
    times, None where every constant of it is zero; wider: factor on the logarithm of the intervals of messages, between
    more GPUs than were measured; residuals: function -> the file of measurements that it looks up."""

    plan: KernelPlan
    numbers: Mapping[str, tuple[Fraction, Source]]
    sets: Mapping[str, tuple[Coefficients, Fitted]]
    sentences: tuple[str, ...]
    notes: Mapping[str, str]
    engine: FittedEngine | None = None
    wider: float = 1.0
    residuals: tuple[tuple[str, Path], ...] = ()

    def ends(self, kernel: Fitted) -> tuple[float, float]:
        """Times its fitted time: its interval. Not part of the plan, whose formulas any number of GPUs shares."""
        wider = self.wider if kernel.message else 1.0
        return kernel.low**wider, kernel.high**wider

    def served_by(self, device: Device, engine: Engine, ranks: int) -> FittedKernels:
        """The same with what an engine adds. ranks: GPUs that share tensors or experts."""
        times = fitted_engine(device, engine, ranks)
        if times is None:
            return self
        plan = replace(self.plan, engine=times.terms)
        numbers = _within_the_datasheet({**self.numbers, **times.numbers}, plan.kinds)
        sentences = (*self.sentences, *times.sentences)
        wider = beyond(ranks, _ONE_NODE)
        return replace(self, plan=plan, numbers=numbers, sentences=sentences, engine=times, wider=wider)


def _within_the_datasheet(
    numbers: Mapping[str, tuple[Fraction, Source]], kinds: Iterable[tuple[Key, Fitted]]
) -> Mapping[str, tuple[Fraction, Source]]:
    """Shares of rates that an engine, faster than its kernels alone, does not take above one."""
    found = dict(numbers)
    for share, most in largest_shares((kernel for _, kernel in kinds), {name: row[0] for name, row in numbers.items()}):
        note = f"{float(found[share][0]):.3g} as fitted, above the datasheet's rate in a running engine"
        found[share] = Fraction(most), replace(found[share][1], note=note)
    return found


def largest_shares(
    kernels: Iterable[Fitted], values: Mapping[str, Fraction] | Mapping[str, float]
) -> Iterator[tuple[str, Fraction | float]]:
    """Shares of rates that would be above one in a running engine, and what makes them one.

    values: of shares, and of what slows kernels; what is not among them is one.
    """
    for kernel in kernels:
        for share, slow in kernel.shares().items():
            most = prod(values[name] for name in slow if name in values)
            if share in values and values[share] > most:
                yield share, most


@dataclass(frozen=True, slots=True)
class _Card:
    """measured: the card of the tables; wider: factor on the logarithm of the interval; either: at least this factor
    either way."""

    measured: str
    wider: float
    either: float


Sets = Callable[[str], Iterable[Coefficients]]
"""Table -> its sets of coefficients."""


def kernels_alone(
    device: Device, deployment: Deployment, cost_model: CostModel, engine: Engine | None
) -> FittedKernels | None:
    """The measured kernels that stand in for those of the graphs, without what an engine adds; None where the cost
    model does not go by them."""
    if not cost_model.fitted:
        return None
    name = DEFAULT_ENGINE if engine is None or engine.path.stem == "none" else engine.like or engine.path.stem
    own = None if engine is None else engine.kernels
    ran = engine is not None and engine.device in (device.name, device.path.stem)
    found = fitted_kernels(device, name, str(deployment.gemm), str(deployment.kv), own, ran=ran)
    if engine is None or own is not None or name in bundled_engines():
        return found
    file = display_path(engine.path)
    sentence = f"{file} does not say whose kernels it runs: {DEFAULT_ENGINE}'s stand in; state `like` under [time]"
    return replace(found, sentences=(*found.sentences, sentence))


def fitted_kernels(
    device: Device, engine: str, gemm: str, kv: str, own: Path | None = None, *, ran: bool = False
) -> FittedKernels:
    """The fitted kernels for a device and an engine. gemm, kv: the deployment's formats; own: a folder of coefficients
    that go before those that ship; ran: whether the engine's times are of runs on this device. Raises DataError where
    the folder holds none."""
    if own is None:
        return _shipped_kernels(device, engine, gemm, kv, ran)
    tables = {row.table: own_coefficients(own, row.table) for row in operators().values()}
    if not any(tables.values()):
        raise DataError(f"{display_path(own)}: no coefficients of kernels in this folder; `fit --kernels` writes them")
    return _chosen_kernels(device, engine, gemm, kv, (tables.__getitem__, coefficients_of), ran=ran)


@lru_cache(maxsize=256)
def _shipped_kernels(device: Device, engine: str, gemm: str, kv: str, ran: bool) -> FittedKernels:
    return _chosen_kernels(device, engine, gemm, kv, (coefficients_of,), ran=ran)


def _chosen_kernels(
    device: Device, engine: str, gemm: str, kv: str, every: Sequence[Sets], *, ran: bool
) -> FittedKernels:
    card, sentence = _card(device, ran)
    cache = "fp8" if kv == "fp8" else "bfloat16"
    kinds: dict[Key, Fitted] = {}
    lent: dict[str, str] = {}
    notes: dict[str, str] = {}
    numbers: dict[str, tuple[Fraction, Source]] = {}
    chosen: dict[str, tuple[Coefficients, Fitted]] = {}
    residuals: dict[str, Path] = {}
    for row in {(row.table, row.operations, row.phase): row for row in operators().values()}.values():
        for dtype in all_dtypes():
            for used in (card, *_lenders(card)):
                measured = (_measured(row, dtype, used.measured, engine, cache, sets) for sets in every)
                found = next(filter(None, measured), None)
                if found is None:
                    continue
                fitted = _fitted(found, row, used, device, dtype=dtype, cache=cache, engine=engine)
                kinds[key_of(row, dtype)] = fitted
                notes |= _notes(found, _known_kernel(row.table, dtype, cache, used.measured, engine), device)
                own = dict(_numbers(found, row, fitted))
                numbers |= own
                chosen |= dict.fromkeys(own, (found, fitted))
                if found.residuals:
                    residuals[residual_function(found.form, fitted.suffix)] = Path(found.residuals)
                if used is not card and not any(
                    one.device == card.measured for sets in every for one in sets(row.table)
                ):
                    lent[row.table.replace("_", " ")] = used.measured
                break
    sentences = [] if sentence is None else [sentence]
    for lender in dict.fromkeys(lent.values()):
        tables = ", ".join(table for table, other in lent.items() if other == lender)
        sentences.append(f"of {device.name} no {tables} was measured: {lender}'s coefficients stand in")
    return FittedKernels(
        plan=KernelPlan(frozenset(kinds.items()), gemm),
        numbers=numbers,
        sets=chosen,
        sentences=tuple(sentences),
        notes=notes,
        residuals=tuple(residuals.items()),
    )


def _card(device: Device, ran: bool) -> tuple[_Card, str | None]:
    """The card whose measurements stand in for a device, and the sentence that says so where it is another one. ran:
    whether the engine's times are of runs on this device."""
    names, name = spellings(), device.measured
    own = next((measured for measured, file in names["device"].items() if file == name), None)
    if own is not None:
        return _Card(own, 1.0, 1.0), None
    if name in names["sibling"]:
        sibling, wider = names["sibling"][name]
        return _Card(
            sibling, wider, 1.0
        ), f"no kernels of {device.name} were measured: {sibling}'s coefficients stand in"
    other, factor = names["elsewhere"]["device"], float(names["elsewhere"]["factor"])
    setups = sum(one.setups for one in shipped_times() if one.architecture == architecture_of(name))
    if ran or setups:
        who = "runs of your own" if ran else f"{setups} set-ups of engines on its architecture"
        sentence = (
            f"no kernels of {device.name} were measured: the shares of {other} stand in, and {who} say how much slower "
            "they are"
        )
        return _Card(other, _BY_RUNS, 1.0), sentence
    sentence = (
        f"{device.name} is uncalibrated: the shares of {other} stand in, and times may be off by a factor of "
        f"{factor:g} either way"
    )
    return _Card(other, 1.0, factor), sentence


def _lenders(card: _Card) -> tuple[_Card, ...]:
    """The sibling whose kernels stand in where a kind of them was not measured on a card."""
    lent = spellings()["lent"].get(card.measured)
    return () if lent is None else (replace(card, measured=lent[0], wider=card.wider * float(lent[1])),)


def _measured(row: Operator, dtype: str, card: str, engine: str, cache: str, table: Sets) -> Coefficients | None:
    """Of the first engine that has any the set that it is known to use, else its set with most shapes. dtype, cache:
    formats of weights and of the KV cache, as measurements spell them."""
    every = [
        one
        for one in table(row.table)
        if one.device == card
        and one.operation in row.operations
        and one.phase == row.phase
        and one.values.get("t0", one.values.get("a0", 0)) <= _HOST
    ]
    sets = [one for one in every if one.dtype in _MESSAGES.get(row.table, (dtype,)) and one.kv_dtype in ("", cache)]
    for name in dict.fromkeys((engine, *_ENGINES)):
        known = _known_kernel(row.table, dtype, cache, card, name)
        kind = known.get("kernel"), known.get("as", dtype), known.get("cache", cache)
        if used := [one for one in every if (one.kernel, one.dtype, one.kv_dtype or kind[2]) == kind]:
            return used[-1]
        own = [one for one in sets if one.engine == name and "eager" not in one.kernel]
        if own:
            return max(own, key=lambda one: (one.groups, one.rows, one.version, one.kernel))
    return None


def _known_kernel(table: str, dtype: str, cache: str, card: str, engine: str) -> Mapping[str, Any]:
    """What calibration/measured.toml says of the kernel that an engine takes; empty where it says nothing."""
    names = spellings()
    architecture = names["architecture"].get(names["device"].get(card, ""), "")
    for row in names["engine"].get(engine, ()):
        alike = row["table"], row["dtype"], row.get("kv", cache)
        if alike == (table, dtype, cache) and architecture in row["on"]:
            return row
    return {}


def _notes(found: Coefficients, known: Mapping[str, Any], device: Device) -> Mapping[str, str]:
    """What to know where a set is of the kernel that an engine is said to take on the architecture of a device."""
    taken = found.kernel == known.get("kernel") and architecture_of(device.measured) in known["on"]
    return known.get("note", {}) if taken else {}


def _fitted(
    found: Coefficients, row: Operator, card: _Card, device: Device, *, dtype: str, cache: str, engine: str
) -> Fitted:
    """The set as it stands in on a device, for weights and a cache in these formats with an engine."""
    alike = found.engine in (engine, "nccl") and found.kv_dtype in ("", cache)
    wider = card.wider * (1.0 if alike else _FACTOR)
    most = float(spellings()["elsewhere"]["factor"])  # of what nothing is known: no sibling is known less well
    low = min(found.low, max(found.low**wider, 1 / most))
    high = max(found.high, min(found.high**wider, most))
    l2 = spellings()["l2"].get(device.measured, "50 MB")
    numbers: dict[str, Expr] = {"l2": Rational(parse_quantity(l2, "B"))}
    if "sm_count" not in device.figures:
        numbers["sm_count"] = Integer(int(spellings()["sm_count"].get(device.measured, 132)))
    return Fitted(
        form=found.form,
        suffix=_suffix(found, row),
        low=min(low, 1 / card.either),
        high=max(high, card.either),
        numbers=tuple(numbers.items()),
        slow=row.slow,
        peak=_peak(found, row, device, dtype),
        residuals=bool(found.residuals),
    )


def _peak(found: Coefficients, row: Operator, device: Device, dtype: str) -> str:
    """The precision that a set multiplies in, where that is not the one of the format that it stands in for."""
    formats = spellings()["format"]
    peak = formats[found.dtype][0]
    other = row.table not in _MESSAGES and peak != formats[dtype][0] and f"peak_{peak}" in device.figures
    return peak if other else ""


def _suffix(found: Coefficients, row: Operator) -> str:
    """What tells the symbols of this kernel from those of others with the same form."""
    plain = {"bfloat16", "half", "default"}
    last = row.operations[0].rpartition("_")[2] if row.table in ("gdn", "all_to_all") and row.operations[0] else ""
    return "_".join(filter(None, ("" if found.dtype in plain else found.dtype, row.phase, last)))


def _numbers(found: Coefficients, row: Operator, fitted: Fitted) -> Iterator[tuple[str, tuple[Fraction, Source]]]:
    which = " ".join(filter(None, (found.device, found.engine, found.version, found.kernel, found.dtype)))
    corrected = ", the nearest of which correct it" if found.residuals else ""
    error = f"{found.median:.0%} off in the median on shapes left out"
    note = f"fitted to {found.groups} shapes of {which}{corrected}; {error}"
    source = Source(how="fitted", file=found.file, note=note)
    for name, value in found.values.items():
        yield coefficient_symbol(name, found.form, fitted.suffix), (Fraction(repr(value)), source)
