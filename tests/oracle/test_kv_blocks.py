"""KV blocks that vLLM allocated, beside what memory leaves for the cache. Rows and their source: kv_blocks.json."""

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import symsim

PUBLISHED = json.loads((Path(__file__).parent / "kv_blocks.json").read_text(encoding="utf-8"))
BLOCK = 16


def compiled(row: dict[str, Any], folder: Path) -> symsim.Costs:
    (folder / "config.json").write_text(json.dumps(PUBLISHED["configs"][row["model"]]))
    return symsim.compile(folder, "h100", symsim.Deployment(row["tp"], tp=row["tp"]), cost_model="roofline")


def blocks(costs: symsim.Costs, row: dict[str, Any], **changed: float) -> float:
    """As many as sequences of one block."""
    steps = {name: row[name] for name in ("max_tokens", "max_sequences")}
    return costs.max_batch.evaluate(S=BLOCK - 1, O=1, **steps, **changed)


@pytest.mark.parametrize("row", PUBLISHED["rows"], ids=lambda row: f"{row['model']}-tp{row['tp']}-{row['max_tokens']}")
def test_vllm_allocates_as_many_blocks(tmp_path: Path, row: dict[str, Any]) -> None:
    assert blocks(compiled(row, tmp_path), row) == pytest.approx(row["kv_blocks"], rel=0.015)


def test_memory_of_the_runtime_is_what_the_rows_imply(tmp_path: Path) -> None:
    """The constant is the median, to a tenth of a GiB, of what is neither weights, cache nor activations."""
    implied: list[float] = []
    for row in PUBLISHED["rows"]:
        costs = compiled(row, tmp_path)
        of_a_block = BLOCK * symsim.cache(tmp_path).per_token / row["tp"]
        implied.append((blocks(costs, row, reserve_runtime=0) - row["kv_blocks"]) * of_a_block)
    stated = compiled(PUBLISHED["rows"][0], tmp_path).compiled.numbers.values["reserve_runtime"]
    assert float(stated) == pytest.approx(median(implied), abs=0.1 * 2**30)


def test_a_vision_tower_is_not_counted() -> None:
    """Llama 4 Scout in fp8 on two H100: vLLM allocated 8,253 blocks (BLIS, run 17); docs/how-to/memory.md says why."""
    deployed = symsim.Deployment(2, tp=2)
    costs = symsim.compile("llama-4-scout-17b-16e-instruct-fp8-dynamic", "h100", deployed, cost_model="roofline")
    assert blocks(costs, {"max_tokens": 2048, "max_sequences": 128}) == 11846
