"""Measured runs of workers apart and of drafts: how rows are read, and what is compared."""

from pathlib import Path

import pytest

from symsim.calibration.accuracy import accuracy
from symsim.calibration.runs import newest
from symsim.calibration.served_runs import DRAFTS, LENGTHS, read_served

HEAD = (
    "model,device,engine,image,precision,spec,disaggregated,prefill_tp,prefill_ep,prefill_dp_attention,prefill_workers,"
    "prefill_gpus,decode_tp,decode_ep,decode_dp_attention,decode_workers,decode_gpus,isl,osl,concurrency,date,"
    "median_ttft_s,mean_ttft_s,p90_ttft_s,p99_ttft_s,median_tpot_s,mean_tpot_s,p99_tpot_s,median_itl_s,"
    "total_tok_s_per_gpu,output_tok_s_per_gpu,input_tok_s_per_gpu,avg_power_w,split"
)
ROWS = [  # in the manner of SemiAnalysis InferenceX (Apache-2.0); times are made up
    "r1,h200,dynamo-trt,,fp8,none,1,1,8,1,1,8,8,8,0,3,24,8192,1024,48,2026-05-01,0.7,,,,0.0216,,,,,60,,,check",
    "r1,h200,dynamo-trt,,fp8,none,1,1,8,1,1,8,8,8,0,3,24,8192,1024,48,2026-04-01,0.7,,,,0.05,,,,,60,,,check",
    "r1,gb200,dynamo-sglang,,fp8,none,1,8,1,1,2,16,48,48,1,1,48,1024,1024,2048,2026-05-01,0.7,,,,0.02,,,,,60,,,fit",
    "r1,b300,dynamo-trt,,fp8,none,1,8,1,1,1,8,8,1,1,2,16,1024,1024,64,2026-05-01,0.7,,,,0.02,,,,,60,,,fit",
    "r1,b200,trt,,fp8,mtp,0,,,,,,8,1,0,1,8,1024,1024,16,2026-05-01,0.2,,,,0.006,,,,,200,,,check",
    "r1,b200,trt,,fp8,none,0,,,,,,8,1,0,1,8,1024,1024,16,2026-05-01,0.2,,,,0.009,,,,,200,,,check",
    "r1,mi355x,mori-sglang,,fp4,none,1,8,1,0,1,8,8,1,0,1,8,1024,1024,16,2026-05-01,0.2,,,,0.009,,,,,200,,,check",
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "runs.csv").write_text("\n".join([HEAD, *ROWS]) + "\n")
    return tmp_path / "runs.csv"


def test_rows_are_read_with_their_workers(table: Path) -> None:
    by_table = {(run.table, run.device): run for run in newest(read_served(table))}
    assert len(by_table) == 4
    last = by_table["inferencex apart", "h200"]
    assert last.measured["tpot_s"] == 0.0216
    assert last.load["prefill"] == "1 x tp=1,dp=8,ep=8"
    assert last.load["decode"] == "3 x tp=8,ep=8"
    assert last.load["isl"] == round(0.9 * 8192)
    decode = by_table["inferencex apart", "gb200"].load["decode"]
    assert decode == "1 x tp=1,dp=48,ep=48,comm=deepep,redundant_experts=32"
    split = by_table["inferencex apart", "b300"].load["decode"]
    assert split == "2 x tp=1,dp=8,moe_tp=8", "TensorRT-LLM's experts are split where it states no ep"
    drafted = by_table["inferencex drafts", "b200"]
    assert drafted.load["drafts"] == DRAFTS
    assert drafted.load["acceptance"] == f"length {LENGTHS['trtllm'].at(16, fp4=False):.4g}"


def test_accepted_lengths_fall_with_the_clients() -> None:
    for own in LENGTHS.values():
        lengths = [own.at(clients, fp4=False) for clients in (1, 4, 16, 64, 1e9)]
        assert lengths == sorted(lengths, reverse=True)
        assert all(1 <= length <= DRAFTS + 1 for length in lengths)


def test_output_is_of_a_decode_gpu(table: Path) -> None:
    found = accuracy([table])
    assert not found.refused
    values = {(row.run.table, row.run.device, row.metric): row for row in found.rows}
    row = values["inferencex apart", "h200", "output_tok_s_per_gpu"]
    tpot, ttft = (values["inferencex apart", "h200", name].predicted for name in ("tpot_s", "ttft_s"))
    answers = round(0.9 * 1024)
    assert row.predicted * 24 == pytest.approx(48 * answers / (ttft + (answers - 1) * tpot), rel=0.02)
    assert row.low is not None
    assert ("inferencex drafts", "b200", "tpot_s") in values
    assert ("inferencex", "b200", "tpot_s") in values


def test_saturated_workers_are_said_to_be(table: Path) -> None:
    """One prefill worker of many clients: their prompts queue."""
    table.write_text("\n".join([HEAD, ROWS[0].replace(",8192,1024,48,", ",8192,1024,512,")]) + "\n")
    found = accuracy([table])
    assert {row.saturated for row in found.rows} == {("prefill",)}
    assert found.as_dict()["rows"][0]["saturated"] == ("prefill",)


def test_other_tables_hold_none(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("isl,osl,concurrency,tpot_s\n10,10,1,0.01\n")
    (tmp_path / "own.json").write_text("{}")
    assert read_served(tmp_path / "own.csv") == read_served(tmp_path / "own.json") == []
