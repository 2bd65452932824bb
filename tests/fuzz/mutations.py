"""Spoil configs key by key, and say what symsim makes of each.

    python tests/fuzz/mutations.py [MODEL ...] [--count N] [--seed N]

MODEL: bundled names, config files or folders of such; else a dozen bundled models of as many kinds.  Every mutation is
either refused in a sentence that names the key, or answered; prints a line for each that ends in a traceback, takes
over three seconds, or is accepted though no model can be so, and a count.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import symsim
from symsim.errors import SymsimError
from symsim.inputs.config import load_config
from symsim.language.library import load_library
from symsim.model.plausible import is_count
from symsim.paths import GRAPHS

MODELS = (
    "qwen3-8b",
    "qwen3-30b-a3b",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "llama-3.1-8b",
    "llama-4-scout-17b-16e-instruct",
    "gemma-3-27b-it",
    "gemma-4-26b-a4b",
    "glm-5.2",
    "gpt-oss-20b",
    "mimo-v2-flash",
    "kimi-k2.5",
)
DUE = 3.0
"""Seconds of computing within which a config is answered or refused."""

SIZES = (0, -1, True, False, 1.5, 10**9, "8", [], {})
"""What stands in for a whole number that is a size."""

NEVER = (-1, 1.5, "8", [], {})
"""Of these no size of a model can be one, whatever it is called."""

CHOSEN = ("num_experts_per_tok", "experts_per_token", "top_k_experts")
"""How many experts a token meets: some, and no more than there are."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One key changed. sections: where it stands; nonsense: whether no model can be so."""

    model: str
    section: str
    key: str
    value: Any
    nonsense: bool

    def __str__(self) -> str:
        return f"{self.model}: {self.section and self.section + '.'}{self.key} = {json.dumps(self.value)[:60]}"

    def applied(self, keys: Mapping[str, Any]) -> dict[str, Any]:
        """The keys with the change."""
        if not self.section:
            return {**keys, self.key: self.value}
        return {**keys, self.section: {**keys[self.section], self.key: self.value}}


def mutations(model: str) -> Iterator[Mutation]:
    """Every mutation of the keys that decide on cost."""
    library = load_library("roofline", (GRAPHS,))
    keys = load_config(model).keys
    section = next((name for name in sorted(library.sections) if isinstance(keys.get(name), dict)), "")
    own: Mapping[str, Any] = keys[section] if section else keys
    for key, value in own.items():
        if key in library.neutral | library.omitted or library.neutral_by_rule(key):
            continue
        for changed in others(value):
            counted = is_count(key) and not isinstance(value, (bool, list))
            never = counted and any(changed is one or (changed == one and type(changed) is type(one)) for one in NEVER)
            never |= counted and isinstance(changed, bool)
            never |= key in CHOSEN and changed in (0, 10**9)
            never |= isinstance(value, list) and changed == value * 2 != []
            yield Mutation(model, section, key, changed, never)
    stored = keys.get("quantization_config")
    for key, value in (stored or {}).items():
        yield from (Mutation(model, "quantization_config", key, changed, False) for changed in others(value))
    for name in sorted(library.sections - {section}):
        outer, _, inner = name.partition(".")  # a section may lie in another
        for stray in ({}, {"model_type": "llama", "hidden_size": 64}):
            yield Mutation(model, "", outer, {inner: stray} if inner else stray, section != "" or "hidden_size" in keys)
    yield Mutation(model, section, "model_type", "mamba2", True)


def others(value: Any) -> Iterator[Any]:
    """What stands in for a value."""
    match value:
        case bool():
            yield from (not value, 3, "yes", None)
        case int():
            yield from (*SIZES, value + 1, None)
        case float():
            yield from (-value, 0.0, "x", None)
        case str():
            yield from ("no_such_word", 3, [], None)
        case list():
            yield from (value * 2, value[:-1], [], None, 3, [*value[:-1], "no_such_word"])
        case dict():
            yield from ({}, 3, [], None)
        case _:
            yield from (3, -1, "x", [])


def outcome(mutation: Mutation, keys: Mapping[str, Any], folder: Path) -> str | None:
    """What is wrong with how symsim takes it; None where nothing is."""
    path = folder / "config.json"
    path.write_text(json.dumps(mutation.applied(keys)))
    started = time.process_time()
    said = None
    try:
        symsim.params(path)
        symsim.compile(path, "h200", cost_model="roofline").memory.evaluate(B=1, S=1, O=1)
    except SymsimError as error:
        said = str(error)
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    seconds = time.process_time() - started
    if seconds > DUE:
        return f"took {seconds:.1f} s"
    return "accepted" if said is None and mutation.nonsense else None


def tried(models: list[str], count: int | None, seed: int) -> Iterator[tuple[Mutation, str | None]]:
    """Each mutation of the models, or a sample, with what is wrong."""
    every = [mutation for model in models for mutation in mutations(model)]
    chosen = every if count is None else random.Random(seed).sample(every, min(count, len(every)))
    load_library("roofline", (GRAPHS,))  # read once, whatever is tried first
    with tempfile.TemporaryDirectory() as folder:
        for mutation in chosen:
            yield mutation, outcome(mutation, load_config(mutation.model).keys, Path(folder))


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("models", nargs="*", default=list(MODELS))
    ask.add_argument("--count", type=int)
    ask.add_argument("--seed", type=int, default=0)
    told = ask.parse_args()
    tries = wrong = 0
    for mutation, why in tried(told.models, told.count, told.seed):
        tries += 1
        if why is not None:
            wrong += 1
            print(f"{mutation}: {why}", flush=True)
    print(f"{tries} mutations, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
