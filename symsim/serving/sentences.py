"""What a prediction takes for granted, and what to be careful of, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from symsim.formula.extrapolation import extrapolated
from symsim.paths import display_path
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.draft_memory import draft_memory, drafter
from symsim.serving.aggregated import Deployed
from symsim.serving.ask import HOUR, Ask
from symsim.serving.engines import Served
from symsim.serving.outcome import applied
from symsim.serving.sureness import batch_of, prompt_of
from symsim.tables.coefficients import spellings


def assumptions(ask: Ask, sides: Sequence[Deployed], *, served: bool) -> tuple[str, ...]:
    """Everything that the user did not say; of what is not served, nothing about what it costs."""
    return tuple(dict.fromkeys(_assumed(ask, sides, served)))


def _assumed(ask: Ask, sides: Sequence[Deployed], served: bool) -> Iterator[str]:
    first, last = sides[0], sides[-1]
    if ask.rate is not None:
        yield "requests arrive at random (Poisson)"
    else:
        yield "a client sends its next request as soon as its answer is complete"
        if ask.prompts is not None:
            yield f"{ask.first_share:.0%} of the requests are sent at once, at the start, to an engine that is warm"
    if ask.budget is None and not ask.exclusive_prefill:
        source = "the engine's default" if first.known else "vLLM's default on GPUs of 70 GiB and more"
        yield f"token budget of an iteration: {first.budget / first.layout.replicas:g} ({source}; --budget)"
    if ask.max_running is None and last.places >= 1:
        where = "room in the cache" if last.places >= last.room.sequences - 1 else "the engine's default"
        worker = "" if ask.decode is None else " on a decode worker"
        yield f"at most {last.places:,g} sequences at once{worker} ({where}; --max-running)"
    if last.layout.engines > 1:
        yield f"{last.layout.engines} engines, each with its share of requests"
    for side in sides:
        if side.layout.replicas > 1:
            yield f"requests spread evenly over {side.layout.replicas} attention replicas and stages of an engine"
        if side.layout.ranks > 1 and ask.prefill is None:
            yield "one attention replica computes a prompt, and the others wait for it or decode (form rank_wait)"
        if side.layout.held > 1 and ask.prefill is None:
            yield f"a prompt is in one of {side.layout.held} batches in flight, its chunks in turn (form rank_wait)"
        if side.step.wait:
            yield "attention replicas wait for the one with the longest contexts (form longest_rank)"
    if ask.drafts:
        yield f"a draft costs one more layer of the model and its LM head; {_modules(last.compiled)}"
    if ask.prefill is not None:
        yield "a cache is sent when its prompt is complete; the prefill worker shows the first token"
    if served:
        yield from _expenses(ask, sides)
    yield "no preemption, no priorities, no time of the host between iterations but what the cost model counts"


def _modules(compiled: Compiled) -> str:
    """What the modules that draft hold."""
    found = drafter(compiled)
    if found is None:
        return "no module for drafts that is known is stated, so that its memory is not counted"
    kept = draft_memory(compiled, 1.0)
    held = 0.0 if kept is None else kept.weights
    return f"of modules for drafts ({found.key}) {found.modules} are held, {held / 1e9:.3g} GB of weights on a GPU"


def _expenses(ask: Ask, sides: Sequence[Deployed]) -> Iterator[str]:
    """Where prices and powers are from."""
    for device in {side.compiled.device.path: side.compiled.device for side in sides}.values():
        if device.price is not None and ask.price is None:
            rent, low, high = (float(one) * HOUR for one in (device.price.rent, device.price.low, device.price.high))
            where = f"{display_path(device.path)} of {device.price.date}; --price"
            yield f"one {device.name} costs {rent:.3g} $/h ({low:.3g} to {high:.3g}: {where})"
        if device.power is not None:
            idle, limit = float(device.power.idle), float(device.power.limit)
            shares = f"{float(device.power.hbm_low):.0%} to {float(device.power.hbm_high):.0%} of it at full bandwidth"
            yield f"one {device.name} draws {idle:g} W idle and {limit:g} W at most, {shares}; of a server nothing else"


def warnings(ask: Ask, sides: Sequence[Deployed], found: Served) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_warned(ask, sides, found)))


def _warned(ask: Ask, sides: Sequence[Deployed], found: Served) -> Iterator[str]:
    yield from found.warnings
    answers = ask.osl.mean > 1
    if not answers:
        yield "answers of one token come from prefill: there is no time between tokens"
    if found.solved:
        if ask.decode is not None and sides[-1].compiled.fitted is not None:
            later = spellings()["apart"]["first"]
            yield f"first tokens of measured workers apart came up to {later} s later: routers, transfers, queues"
        yield from _about_load(found)
        yield from _balance(ask, found) if answers else ()
        yield from _drafts(ask, sides[-1], found)
        yield from _graphs(sides[-1], found)
        yield from _extrapolated(sides, found)
        if answers and "closed_tpot" in found.forms and ask.osl.is_constant and (ask.concurrency or 0) > 1:
            yield (
                "answers of one length keep clients that start together in lockstep: "
                "the interval of the mean TTFT reaches up to that"
            )
    if sides[-1].room.activations is None:
        yield f"activations are not counted by the {sides[-1].compiled.cost_model.name} cost model"
    if found.solved:
        yield from _unknown(ask, sides)


def _unknown(ask: Ask, sides: Sequence[Deployed]) -> Iterator[str]:
    """Figures that nothing is known of."""
    for name in dict.fromkeys(side.compiled.device.name for side in sides if side.compiled.device.power is None):
        yield f"power and energy are unknown: the device file of {name} has no [power]"
    for name in dict.fromkeys(side.compiled.device.name for side in sides if side.compiled.device.price is None):
        if ask.price is None:
            yield f"cost is unknown: the device file of {name} has no [price]; state --price, e.g. '2.5 $/h'"
    yield from filter(None, (error_unstated(sides[-1].compiled),))


def error_unstated(compiled: Compiled) -> str:
    """What intervals leave out where the cost model knows no error of its times; empty where it does."""
    if compiled.fitted is not None:
        return ""
    name = compiled.cost_model.name
    return f"intervals are those of the queueing forms; the {name} cost model states no error of its own"


def _extrapolated(sides: Sequence[Deployed], found: Served) -> Iterator[str]:
    """Sizes beyond those of measured kernels."""
    if sides[-1].compiled.fitted is not None:
        yield from extrapolated(prompt_of(sides[0]))
        yield from extrapolated(batch_of(sides[-1], found) if found.values.get("rows") else {})


def _graphs(side: Deployed, found: Served) -> Iterator[str]:
    """What runs without a captured graph: times of launches are those within one."""
    engine, fitted = side.compiled.engine, side.compiled.fitted
    captured = None if engine is None or fitted is None or fitted.engine is None else engine.captured
    batch = round(found.values.get("rows", 0) / side.layout.replicas)
    if engine is not None and captured is not None and batch and captured.graph_of(batch) is None:
        own = f"up to {captured.sizes[-1]} sequences" if captured.padded else f"{captured.text} sequences and pads none"
        yield (
            f"{engine.name} by itself captures graphs of {own}: launches of {batch} sequences are counted as if "
            f"captured; start it with {captured.how}"
        )


def _balance(ask: Ask, found: Served) -> Iterator[str]:
    """Workers of both kinds are loaded alike where x : y is in the ratio of what they are asked for."""
    prefill, decode = found.load.get("prefill"), found.load.get("decode")
    if not prefill or not decode or ask.prefill is None or ask.decode is None:
        return
    if max(prefill / decode, decode / prefill) > _UNEVEN:
        ratio = ask.prefill[0] / ask.decode[0] * prefill / decode
        alike = f"{ratio:.3g} : 1" if ratio >= 1 else f"1 : {1 / ratio:.3g}"
        loads = f"prefill workers are {prefill:.0%} loaded, decode workers {decode:.0%}"
        yield f"{loads}: {alike} of them would be loaded alike"


_UNEVEN = 1.5


def _drafts(ask: Ask, side: Deployed, found: Served) -> Iterator[str]:
    """Whether drafts pay in the batch that runs: their step over one without, against the accepted length."""
    rows = found.letters.get("B", 0.0)
    if not ask.drafts or rows <= 0:
        return
    context = found.letters["C"] * rows
    plain = replace(side.step, queries=1, draft=None)
    known = {"t_k": side.step(side.step.queries * rows, context, 0.0), "t_0": plain(rows, context, 0.0)}
    least, mu = applied("break_even_length", known).value or 0.0, found.letters["mu"]
    chance = f" (acceptance {least - 1:.3g})" if ask.drafts == 1 else ""
    pays = "one draft pays" if ask.drafts == 1 else f"{ask.drafts} drafts pay"
    verdict = f"{'it does' if ask.drafts == 1 else 'they do'}{'' if mu > least else ' not'}"
    yield f"{pays} from {least:.3g} accepted tokens a step{chance}; with {mu:.3g} {verdict}"


_SATURATED, _CROWDED = 0.9, 0.8


def _about_load(found: Served) -> Iterator[str]:
    words = {
        "prefill": "prefill workers are",
        "decode": "decode workers are",
        "rho": "the engine is",
        "capacity": "the engine is",
    }
    words |= {"rho_budget": "the token budget is", "transfer": "links are"}
    for name, share in found.load.items():
        if name in words and share > _SATURATED:
            yield f"{words[name]} saturated: load {share:.3g}"
    if found.letters.get("P_wait", 0.0) > 0.01:
        yield f"{found.letters['P_wait']:.1%} of requests wait for a place; more room for caches would help"
    if "exclusive_tpot" in found.forms and _CROWDED < found.load.get("places", 0.0) <= 1:
        yield f"{found.load['places']:.0%} of places are taken: some requests wait for one, which is not counted"
    if found.load.get("places", 0.0) > 1:
        yield f"{found.load['places']:.3g} clients for each place: those beyond them wait in the queue"


LOAD_WORDS: Mapping[str, str] = {
    "rho": "engine",
    "rho_p": "prefill",
    "rho_d": "decode",
    "prefill": "prefill workers",
    "decode": "decode workers",
    "transfer": "links",
    "rho_budget": "token budget",
    "budget": "token budget",
    "places": "places",
    "capacity": "of the highest rate",
}
"""What may be loaded -> how it is called."""

_WITHIN, _LAST = ("rho_p", "rho_d"), "capacity"


def load_in_words(load: Mapping[str, float]) -> str:
    """What is loaded, and its share.

    >>> load_in_words({"rho": 0.86, "rho_p": 0.48, "rho_d": 0.38, "rho_budget": 0.51, "capacity": 0.95})
    'engine 86% (prefill 48%, decode 38%), token budget 51%, 95% of the highest rate'
    """
    shares = {name: f"{share:.0%}" for name, share in load.items() if share}
    within = ", ".join(f"{LOAD_WORDS[name]} {shares[name]}" for name in _WITHIN if name in shares)
    words: list[str] = []
    for name, word in LOAD_WORDS.items():
        if name in shares and name not in (*_WITHIN, _LAST):
            words.append(f"{word} {shares[name]}" + (f" ({within})" if name == "rho" and within else ""))
    most = [f"{shares[_LAST]} {LOAD_WORDS[_LAST]}"] if _LAST in shares else []
    return ", ".join([*words, *most])
