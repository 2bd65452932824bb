"""The times of an engine on a device: its text, the numbers behind its symbols, and how far off runs were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from symsim.cost.engine_terms import EngineTerms
from symsim.formula.extrapolation import beyond
from symsim.inputs.device import Device
from symsim.inputs.engine import ENDS, TIMES, Engine
from symsim.inputs.source import Source
from symsim.paths import display_path
from symsim.tables.coefficients import spellings
from symsim.tables.engine_times import Chosen, EngineTimes, architecture_of, chosen_times

_ELSEWHERE = 1.5
"""Factor on the logarithm of an interval where the times are of another engine or architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEngine:
    """terms: of a step; numbers: symbol -> its value and where it is from; sets: symbol -> the set that it is of, where
    runs tell it; ends: measured times per output token are
    within these times the predicted ones, first_ends: times to first token; sentences: what was not measured."""

    terms: EngineTerms
    numbers: Mapping[str, tuple[Fraction, Source]]
    sets: Mapping[str, EngineTimes]
    ends: tuple[float, float]
    first_ends: tuple[float, float]
    sentences: tuple[str, ...]


def fitted_engine(device: Device, engine: Engine, ranks: int) -> FittedEngine | None:
    """The times of an engine; None where it states none. ranks: GPUs that share tensors or experts."""
    if not engine.step:
        return None
    name = engine.like or engine.path.stem
    chosen = chosen_times(name, device.path.stem)
    rows = {
        symbol: (Fraction(repr(value)), _source(one.engine, one.architecture, one.setups, one.median))
        for symbol, (value, one) in chosen.values.items()
    }
    stated = Source(how="constant", file=display_path(engine.path), note=f"{engine.name} {engine.version}")
    rows |= {symbol: (value, stated) for symbol, value in engine.times.items()}
    slow = frozenset(name for name in rows if name.startswith(("slow", "skew")))
    untold = Source(
        how="assumed", file=display_path(engine.path), note="zero: the file states none, and no run tells it"
    )
    rows |= {
        symbol: (Fraction(0), untold)
        for symbol in TIMES
        if symbol not in rows and not symbol.startswith(("slow", "skew"))
    }
    ends, first = _ends(chosen, engine, ranks)
    return FittedEngine(
        terms=EngineTerms(text=engine.step, origin=f"{display_path(engine.path)}, step", slow=slow),
        numbers=rows,
        sets={symbol: one for symbol, (_, one) in chosen.values.items() if symbol not in engine.times},
        ends=ends,
        first_ends=first,
        sentences=() if set(engine.times) >= set(chosen.values) else tuple(_sentences(device, name, chosen, ranks)),
    )


def _source(engine: str, architecture: str, setups: int, median: float) -> Source:
    note = f"fitted to {setups} set-ups of {engine} on {architecture}; {median:.0%} off in the median on those left out"
    return Source(how="fitted", file="calibration/engines.toml", note=note)


def _ends(chosen: Chosen, engine: Engine, ranks: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Those that the file states, pair by pair; else of what was fitted, wider where it is of another engine, another
    architecture or fewer GPUs."""
    one, stated = chosen.nearest, {name: float(value) for name, value in engine.ends.items()}
    steps = first = 1.0, 1.0
    if one is not None:
        wider = (1.0 if chosen.own else _ELSEWHERE) * beyond(ranks, one.ranks)
        steps, first = (one.low**wider, one.high**wider), (one.ttft_low**wider, one.ttft_high**wider)
    low, high, first_low, first_high = ENDS
    return (
        (stated.get(low, steps[0]), stated.get(high, steps[1])),
        (stated.get(first_low, first[0]), stated.get(first_high, first[1])),
    )


def _sentences(device: Device, engine: str, chosen: Chosen, ranks: int) -> Iterator[str]:
    if version := spellings()["version"].get(architecture_of(device.path.stem)):
        yield version
    if chosen.nearest is not None and ranks > chosen.nearest.ranks:
        yield (
            f"runs that times of {engine} were fitted to had at most {chosen.nearest.ranks} GPUs that share tensors or "
            f"experts: those of {ranks} are an extrapolation, with a wider interval"
        )
    if chosen.values and not chosen.own:
        sets = dict.fromkeys(f"{one.engine} on {one.architecture}" for _, one in chosen.values.values())
        yield f"no runs of {engine} on {device.name} were fitted: times of {' and '.join(sets)} stand in"
