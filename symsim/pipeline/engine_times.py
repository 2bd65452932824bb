"""The times of an engine on a device: its text, the numbers behind its symbols, and how far off runs were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from symsim.cost.engine_terms import EngineTerms
from symsim.inputs.device import Device
from symsim.inputs.engine import ENDS, TIMES, Engine
from symsim.inputs.source import Source
from symsim.paths import display_path
from symsim.tables.engine_times import Chosen, architecture_of, chosen_times

_ELSEWHERE = 1.5
"""Factor on the logarithm of an interval where the times are of another engine or architecture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedEngine:
    """terms: of a step; numbers: symbol -> its value and where it is from; ends: measured times per output token are
    within these times the predicted ones, first_ends: times to first token; sentences: what was not measured."""

    terms: EngineTerms
    numbers: Mapping[str, tuple[Fraction, Source]]
    ends: tuple[float, float]
    first_ends: tuple[float, float]
    sentences: tuple[str, ...]


def fitted_engine(device: Device, engine: Engine) -> FittedEngine | None:
    """The times of an engine; None where it states none."""
    if not engine.step:
        return None
    name = engine.like or engine.path.stem
    chosen = chosen_times(name, architecture_of(device.path.stem))
    rows = {
        symbol: (Fraction(repr(value)), _source(one.engine, one.architecture, one.setups, one.median))
        for symbol, (value, one) in chosen.values.items()
    }
    stated = Source(how="constant", file=display_path(engine.path), note=f"{engine.name} {engine.version}")
    rows |= {symbol: (value, stated) for symbol, value in engine.times.items()}
    slow = frozenset(name for name in rows if name.startswith(("slow", "skew")))
    rows |= {
        symbol: (Fraction(0), stated)
        for symbol in TIMES
        if symbol not in rows and not symbol.startswith(("slow", "skew"))
    }
    ends, first = _ends(chosen, engine)
    return FittedEngine(
        terms=EngineTerms(text=engine.step, origin=f"{display_path(engine.path)}, step", slow=slow),
        numbers=rows,
        ends=ends,
        first_ends=first,
        sentences=() if set(engine.times) >= set(chosen.values) else _sentences(device, name, chosen),
    )


def _source(engine: str, architecture: str, setups: int, median: float) -> Source:
    note = f"fitted to {setups} set-ups of {engine} on {architecture}; {median:.0%} off in the median on those left out"
    return Source(how="fitted", file="calibration/engines.toml", note=note)


def _ends(chosen: Chosen, engine: Engine) -> tuple[tuple[float, float], tuple[float, float]]:
    if set(engine.ends) == set(ENDS):
        low, high, first_low, first_high = (float(engine.ends[name]) for name in ENDS)
        return (low, high), (first_low, first_high)
    one = chosen.nearest
    if one is None:
        return (1.0, 1.0), (1.0, 1.0)
    wider = 1.0 if chosen.own else _ELSEWHERE
    return (one.low**wider, one.high**wider), (one.ttft_low**wider, one.ttft_high**wider)


def _sentences(device: Device, engine: str, chosen: Chosen) -> tuple[str, ...]:
    if chosen.own or not chosen.values:
        return ()
    sets = dict.fromkeys(f"{one.engine} on {one.architecture}" for _, one in chosen.values.values())
    return (f"no runs of {engine} on {device.name} were fitted: times of {' and '.join(sets)} stand in",)
