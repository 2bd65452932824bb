"""Compare symsim's parameters and FLOPs with counts of the real classes of transformers, one line a model.

    python tests/oracle/check_transformers.py FILE

FILE holds `records`: for each a config, its parameters (total, embedding, LM head, every layer by module) and, where
they could be counted, the FLOPs of prefill shapes by operator: full S x S attention, logits of all positions. A line
says exact, refused (and why), or off by how much.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from symsim.errors import SymsimError
from symsim.model.family import find_family
from symsim.pipeline.counts import flops, params

ATTENTION = ("self_attn", "attn", "self_attention", "linear_attn", "mamba", "attn_hc")
FFN = ("mlp", "feed_forward", "router", "experts", "ffn_hc")
NORM = ("norm", "ln_")
"""How modules of a layer are named; a `mixer` is whatever the layer is, and what is none of these is listed apart."""


def check(record: Mapping[str, Any]) -> tuple[str, str]:
    """exact, refused or off; and the reason or the differences."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(record["config"]))
        try:
            family = find_family(path)
            differences = [*_parameters(record, params(family).as_dict())]
            for shape, counted in (record["flops"] or {}).items():
                if shape.startswith("prefill"):
                    batch, seq = (int(word[1:]) for word in shape.split("_")[1:])
                    found = flops(family, batch=batch, seq=seq)
                    differences += _flops(shape, counted, found, routed=record["flops"]["routed_experts_counted"])
        except SymsimError as error:
            return "refused", str(error).replace(str(path), "config.json")
    return ("off", "; ".join(differences)) if differences else ("exact", _scope(record))


def _scope(record: Mapping[str, Any]) -> str:
    parts = ["total"] if not record["layers"] else ["total", f"{len(record['layers'])} layers"]
    return ", ".join([*parts, "FLOPs" if record["flops"] else "FLOPs not recorded"])


def _parameters(record: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name in ("total", "embedding", "lm_head"):
        yield from _difference(name, found[name], record[name])
    layers = record["layers"]
    if layers and len(layers) != len(found["layers"]):
        yield f"{len(found['layers'])} layers instead of {len(layers)}"
        return
    for i, (modules, parts) in enumerate(zip(layers, found["layers"], strict=False)):
        wrong = [*_difference(f"layer {i}", sum(parts.values()), sum(modules.values()))]
        for part, expected in _parts(modules).items():
            wrong += _difference(f"{part} of layer {i}", parts[part], expected)
        if wrong:
            yield from wrong
            return  # the first layer that is off says enough


def _parts(modules: Mapping[str, int]) -> Mapping[str, int]:
    """Modules of one layer as attention, ffn and norm, where their names tell."""
    found = {"attention": 0, "ffn": 0, "norm": 0}
    for module, count in modules.items():
        if module in ATTENTION:
            found["attention"] += count
        elif module in FFN:
            found["ffn"] += count
        elif any(word in module for word in NORM):
            found["norm"] += count
        else:
            return {}
    return found


def _flops(shape: str, counted: Mapping[str, int], found: Mapping[str, int], *, routed: bool) -> Iterator[str]:
    total = found["total"] if routed else found["total"] - found["routed_experts"]
    parts = ", ".join(f"{name} {amount}" for name, amount in found.items() if name != "total")
    for text in _difference(f"FLOPs of {shape}", total, sum(counted.values())):
        yield f"{text} ({parts}; counted {', '.join(f'{name} {amount}' for name, amount in counted.items())})"


def _difference(what: str, found: int, expected: int) -> Iterator[str]:
    if found != expected:
        yield f"{what} {found} is off by {found - expected:+d}"


def main(path: str) -> int:
    """Print a line a model and a closing count; exit code 1 when any is off."""
    records = json.loads(Path(path).read_text())["records"]
    results = [(record["name"], *check(record)) for record in records]
    for name, outcome, words in results:
        print(f"{name:45} {outcome:8} {words}")
    counts = {outcome: sum(found == outcome for _, found, _ in results) for outcome in ("exact", "refused", "off")}
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["off"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
