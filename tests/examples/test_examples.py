"""Every script of examples/ prints the figures that were published for its set-up."""

import runpy

import pytest

from symsim.paths import ROOT

# script -> lines it prints; figures as InferSim prints them (README of alibaba/InferSim)
PRINTS = {
    "deepseek_v3_h800_prefill": ["9034 tokens/GPU/s"],
    "deepseek_v3_h800_decode": ["2675 tokens/GPU/s"],
    "qwen3_30b_a3b_h20_prefill": ["17350 tokens/GPU/s"],
    "qwen3_30b_a3b_h20_decode": ["TPOT 38.00 ms, 2632 tokens/GPU/s"],
    "qwen3_8b_h20": ["16328 tokens/GPU/s", "2581 tokens/GPU/s"],
    "qwen3_next_80b_a3b_h20_decode": ["TPOT 48.64 ms, 5263 tokens/GPU/s"],
    "qwen3_next_80b_a3b_h20_prefill": ["TTFT 169.17 ms, 24212 tokens/GPU/s"],
    "qwen3_5_35b_a3b_h20": ["TTFT 127.10 ms, 32227 tokens/GPU/s", "TPOT 43.99 ms, 5092 tokens/GPU/s"],
    "simulator_of_sglang": ["64 decodes: 14.08 ms", "a prompt: 39.32 ms", "both: 49.89 ms"],
    "qwen3_5_122b_a10b_h20": ["TTFT 227.26 ms, 9012 tokens/GPU/s", "TPOT 52.26 ms, 1607 tokens/GPU/s"],
}


@pytest.mark.parametrize("script", PRINTS)
def test_script_prints_the_published_figures(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / f"{script}.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PRINTS[script])
    assert all(line.endswith(figure) for line, figure in zip(lines, PRINTS[script], strict=True))


def test_every_script_is_run() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} == set(PRINTS)
