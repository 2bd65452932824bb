"""symsim simulate: the report of one set-up, with the reference's flags."""

from __future__ import annotations

from typing import Any

from symsim.command.flags import add_fallback, add_json, note, note_alike, write_json
from symsim.command.subject import add_tables
from symsim.errors import SymsimError
from symsim.infersim.report import simulate
from symsim.infersim.text import report_text
from symsim.inputs.deployment import SM_RATIO
from symsim.render.terminal import write_text


def add(commands: Any) -> None:
    ask = commands.add_parser("simulate", help="the report of one set-up; flags as InferSim's")
    ask.add_argument("model", nargs="?", metavar="MODEL", help="bundled name, config.json or a folder that holds one")
    ask.add_argument("--config-path", dest="config", metavar="MODEL", help="the same, as InferSim spells it")
    ask.add_argument("--device-type", default="H20", metavar="DEVICE", help="bundled name or TOML (default H20)")
    ask.add_argument("--world-size", type=int, default=1, help="GPUs")
    ask.add_argument("--num-nodes", type=int, default=1, help="nodes")
    ask.add_argument("--tp-size", type=int, default=1, help="tensor parallel size")
    ask.add_argument("--max-prefill-tokens", type=int, default=4096, help="prefill tokens per GPU and iteration")
    ask.add_argument("--decode-bs", type=int, help="decode batch per GPU (default: target TGS x target TPOT)")
    ask.add_argument("--target-tgs", type=float, default=2560, help="tokens per GPU and second")
    ask.add_argument("--target-tpot", type=float, default=50, help="ms")
    ask.add_argument("--target-isl", type=int, default=4096, help="input length, tokens")
    ask.add_argument("--target-osl", type=int, default=2048, help="output length, tokens")
    ask.add_argument("--use-fp8-gemm", action="store_true", help="weights and GEMMs in fp8")
    ask.add_argument("--use-fp8-kv", action="store_true", help="KV cache in fp8")
    ask.add_argument("--enable-deepep", action="store_true", help="dispatch and combine through DeepEP")
    ask.add_argument("--enable-tbo", action="store_true", help="two-batch overlap")
    ask.add_argument("--sm-ratio", type=float, default=SM_RATIO, help="SMs left to compute under overlap")
    ask.add_argument("--prefill-only", action="store_true")
    ask.add_argument("--decode-only", action="store_true")
    add_tables(ask)
    add_fallback(ask)
    add_json(ask)
    ask.set_defaults(command=_simulate)


def _simulate(*, json: bool, model: str | None, config: str | None, **flags: Any) -> int:
    named = model or config
    if named is None or (model and config):
        raise SymsimError("simulate is about one model; state MODEL or --config-path, one of them")
    report = simulate(named, **flags)
    if json:
        write_json(report.as_dict())
    else:
        write_text(report_text(report))
    note(report.notes)
    note_alike(report.warnings, "other defaults like it")
    return 0
