"""The command line. Results go to stdout, notes and errors to stderr; exit 0, 1 (no answer) or 2 (bad input)."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from symsim.answer import Status
from symsim.api import METRICS, Costs, compile
from symsim.config import bundled_models, load_config
from symsim.conventions import CONVENTIONS, VINTAGES
from symsim.deployment import SM_RATIO, Deployment, positive_integer
from symsim.errors import SymsimError
from symsim.explain import OpLine, breakdown
from symsim.formula import Formula
from symsim.graph import OpGraph, annotated
from symsim.hardware import bundled_devices, load_device
from symsim.published import compare_published
from symsim.report import simulate
from symsim.show import report_text, write_table, write_text
from symsim.solve import DEFAULTS
from symsim.tables import rows, signatures
from symsim.units import format_quantity


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the console script exits with what this returns."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    try:
        return command(**options)
    except SymsimError as error:
        print(f"symsim: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Parser(argparse.ArgumentParser):
    """argparse, but a bad flag is answered with one sentence like any other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"symsim: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="symsim", description="A symbolic cost-model compiler for LLM inference.")
    parser.add_argument("--version", action="version", version=f"symsim {version('symsim-llm')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_simulate(commands)
    _add_formula(commands)
    _add_solve(commands)
    _add_graph(commands)
    _add_list(commands)
    _add_validate(commands)
    return parser


# ---------------------------------------------------------------- simulate


def _add_simulate(commands: Any) -> None:
    ask = commands.add_parser("simulate", help="the report of one set-up; flags as InferSim's")
    ask.add_argument("--config-path", dest="config", required=True, metavar="MODEL", help="config.json, folder or name")
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
    _add_tables(ask)
    ask.add_argument("--json", action="store_true", help="one JSON document, unrounded")
    ask.set_defaults(command=_simulate)


def _simulate(*, json: bool, **flags: Any) -> int:
    report = simulate(**flags)
    if json:
        _write_json(report.as_dict())
    else:
        write_text(report_text(report))
    _note([*report.notes, *(f"default used: {warning}" for warning in report.warnings)])
    return 0


# ---------------------------------------------------------------- formula, solve


def _add_formula(commands: Any) -> None:
    ask = commands.add_parser("formula", help="the closed form of a metric")
    _add_subject(ask)
    ask.add_argument("--metric", default="tpot", choices=[name.replace("_", "-") for name in METRICS])
    ask.add_argument("--level", default="model", choices=["symbolic", "model", "numeric"])
    ask.add_argument("--format", default="text", choices=["text", "latex", "markdown", "python", "json"])
    ask.add_argument("--breakdown", action="store_true", help="one line an operator, at the point of --at")
    ask.add_argument("--at", default="", metavar="B=64,S=4096", help="workload point of the breakdown")
    ask.set_defaults(command=_formula)


def _formula(*, metric: str, level: Any, format: str, at: str, **subject: Any) -> int:
    wants_breakdown = subject.pop("breakdown")
    costs = _compile(subject)
    formula = costs.metric(metric)
    if wants_breakdown:
        return _breakdown(costs, formula, _point(at), as_json=format == "json")
    match format:
        case "latex":
            print(formula.to_latex(level))
        case "markdown":
            print(formula.to_markdown(level))
        case "python":
            print(formula.to_python(), end="")
        case "json":
            _write_json(formula.to_json(level))
        case _:
            write_text(formula.to_text(level))
    return 0


def _point(text: str) -> dict[str, int]:
    """`B=64,S=4096` over the defaults."""
    point = dict(DEFAULTS)
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in point or not equals or not value.isdigit():
            raise SymsimError(f"--at {text!r}: expected e.g. B=64,S=4096 with names among {', '.join(point)}")
        point[name] = positive_integer(name, int(value))
    return point


def _breakdown(costs: Costs, formula: Formula, point: Mapping[str, int], *, as_json: bool) -> int:
    phase = costs.prefill if formula.name in ("ttft", "tgs_prefill") else costs.decode
    lines = breakdown(phase, formula.form, point)
    used = {name: value for name, value in point.items() if name in formula.symbols or name in ("B", "S", "O")}
    value = formula.evaluate(**{name: v for name, v in point.items() if name in formula.symbols})
    if as_json:
        _write_json({"metric": formula.name, "at": used, "value": value, "operators": [x.as_dict() for x in lines]})
        return 0
    write_table(
        ("operator", "FLOPs", "HBM bytes", "link bytes", "time", "x", "bound by", "from"),
        [_cells(x) for x in lines],
    )
    at = ", ".join(f"{name} = {v}" for name, v in point.items() if name in formula.symbols)
    print(f"\n{formula.name} = {format_quantity(value, formula.unit, 6)} at {at}; {formula.subject}")
    return 0


def _cells(line: OpLine) -> tuple[str, ...]:
    amounts = ((line.flops, "FLOP"), (line.hbm_bytes, "B"), (line.link_bytes, "B"), (line.seconds, "s"))
    texts = [format_quantity(amount, unit) if amount else "" for amount, unit in amounts]
    return line.name, *texts, f"{line.times:g}", line.bound, line.source


def _add_solve(commands: Any) -> None:
    ask = commands.add_parser("solve", help="answer a question, e.g. 'max B subject to TPOT <= 50 ms'")
    _add_subject(ask)
    ask.add_argument("query", metavar="QUERY", help="max B subject to TPOT <= 50 ms, memory <= capacity with S = 4096")
    ask.add_argument("--json", action="store_true", help="one JSON document, unrounded")
    ask.set_defaults(command=_solve)


def _solve(*, query: str, json: bool, **subject: Any) -> int:
    costs = _compile(subject)
    answer = costs.solve(query)
    if json:
        _write_json(answer.as_dict())
    else:
        print(answer.sentence)
        for constraint, room in answer.slack.items():
            state = "fails by" if room < 0 else "binds, room" if constraint in answer.binding else "holds, room"
            print(f"  {constraint}: {state} {format_quantity(abs(room), costs.metric(constraint.split()[0]).unit)}")
        if answer.closed_form:
            print(f"  closed form: {answer.closed_form}")
    if answer.assumed:
        stated = ", ".join(f"{name} = {value}" for name, value in answer.assumed.items())
        print(f"symsim: assumed {stated}; state others as `... with S = 8192`", file=sys.stderr)
    return 0 if answer.status is Status.SOLVED else 1


# ---------------------------------------------------------------- graph, list, validate


def _add_graph(commands: Any) -> None:
    ask = commands.add_parser("graph", help="the operator graph of one phase")
    _add_subject(ask)
    ask.add_argument("--phase", default="decode", choices=["prefill", "decode"])
    ask.add_argument("--format", default="text", choices=["text", "dot", "json"])
    ask.set_defaults(command=_graph)


def _graph(*, phase: str, format: str, **subject: Any) -> int:
    costs = _compile(subject)
    graph = (costs.prefill if phase == "prefill" else costs.decode).graph
    match format:
        case "json":
            import networkx as nx

            _write_json(nx.node_link_data(annotated(graph), edges="edges"))
        case "dot":
            print(_dot(graph))
        case _:
            head = ("operator", "kernel", "shape", "repeat", "from")
            write_table(
                head,
                [(op.name, op.kernel, _shape(op.shape), str(op.repeat), str(op.origin)) for op in graph.ops],
            )
    return 0


def _shape(shape: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={size}" for name, size in shape.items())


def _dot(graph: OpGraph) -> str:
    nodes = [f'  "{op.name}" [label="{op.label}\\n{op.kernel}({_shape(op.shape)})"];' for op in graph.ops]
    edges = [f'  "{source}" -> "{target}";' for source, target in graph.dag.edges]
    return "\n".join([f'digraph "{graph.model} {graph.phase}" {{', "  node [shape=box];", *nodes, *edges, "}"])


def _add_list(commands: Any) -> None:
    ask = commands.add_parser("list", help="bundled models, devices or tables")
    ask.add_argument("what", choices=["models", "devices", "tables"])
    ask.add_argument("--json", action="store_true")
    ask.set_defaults(command=_list)


def _list(*, what: str, json: bool) -> int:
    head, found = {"models": _models, "devices": _devices, "tables": _tables}[what]()
    if json:
        _write_json([dict(zip(head, row, strict=True)) for row in found])
    else:
        write_table(head, found)
    return 0


def _models() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    configs = [(name, load_config(name)) for name in bundled_models()]
    return ("model", "architecture", "source"), [
        (name, config.keys["architectures"][0], config.keys["_source"]) for name, config in configs
    ]


def _devices() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    fields = (
        ("peak_bf16", "FLOP/s"),
        ("peak_fp8", "FLOP/s"),
        ("hbm_capacity", "B"),
        ("hbm_bandwidth", "B/s"),
    )
    head = ("device", "name", *(field for field, _ in fields), "source")
    found: list[tuple[str, ...]] = []
    for name in bundled_devices():
        device = load_device(name)
        figures = [format_quantity(device.figures[f], unit) if f in device.figures else "" for f, unit in fields]
        found.append((name, device.name, *figures, device.source))
    return head, found


def _tables() -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    found: list[tuple[str, ...]] = []
    for name, table in signatures().items():
        devices = ", ".join(sorted({row.cells["device"] for row in rows(name)}))
        found.append((name, table.file, str(len(rows(name))), devices, table.library, table.meaning))
    return ("function", "file", "rows", "devices", "library", "meaning"), found


def _add_validate(commands: Any) -> None:
    ask = commands.add_parser("validate", help="recompute the published set-ups")
    ask.add_argument("--json", action="store_true")
    ask.set_defaults(command=_validate)


def _validate(*, json: bool) -> int:
    found = compare_published()
    if json:
        _write_json([row.as_dict() for row in found])
    else:
        head = ("set-up (tokens/GPU/s)", "symsim", "reference", "measured", "error")
        cells = [(r.name, f"{r.ours:.0f}", str(r.reference), str(r.measured), f"{r.error:+.1%}") for r in found]
        write_table(head, cells)
    return 0 if all(row.same for row in found) else 1


# ---------------------------------------------------------------- shared


def _add_subject(ask: argparse.ArgumentParser) -> None:
    """What formula, solve and graph are about; the long spellings are simulate's."""
    ask.add_argument("model", metavar="MODEL", help="bundled name, config.json or a folder that holds one")
    ask.add_argument("--device", "--device-type", default="H20", metavar="DEVICE", help="bundled name or TOML")
    ask.add_argument("--world-size", type=int, default=1, help="GPUs")
    ask.add_argument("--num-nodes", type=int, default=1, help="nodes")
    ask.add_argument("--tp", "--tp-size", type=int, default=1, help="tensor parallel size")
    ask.add_argument("--gemm", default="bf16", choices=["bf16", "fp8"], help="precision of weights and GEMMs")
    ask.add_argument("--use-fp8-gemm", dest="gemm", action="store_const", const="fp8")
    ask.add_argument("--kv", default="bf16", choices=["bf16", "fp8"], help="precision of the KV cache")
    ask.add_argument("--use-fp8-kv", dest="kv", action="store_const", const="fp8")
    ask.add_argument("--comm", default="allreduce", choices=["allreduce", "deepep"], help="how tokens reach experts")
    ask.add_argument("--enable-deepep", dest="comm", action="store_const", const="deepep")
    ask.add_argument("--overlap", default="none", choices=["none", "two-batch"])
    ask.add_argument("--enable-tbo", dest="overlap", action="store_const", const="two-batch")
    ask.add_argument("--sm-ratio", type=float, default=SM_RATIO, help="SMs left to compute under overlap")
    ask.add_argument("--cost-model", default="infersim", choices=sorted(CONVENTIONS))
    _add_tables(ask)


def _add_tables(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--tables", default=VINTAGES[-1], choices=VINTAGES, help="vintage of rows and look-up rules")


def _compile(subject: Mapping[str, Any]) -> Costs:
    names = ("world_size", "num_nodes", "tp", "gemm", "kv", "comm", "overlap", "sm_ratio")
    deployment = Deployment(**{name: subject[name] for name in names})
    costs = compile(subject["model"], subject["device"], deployment, subject["cost_model"], subject["tables"])
    _note(costs.notes)
    return costs


def _note(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        print(f"symsim: {sentence}", file=sys.stderr)


def _write_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
