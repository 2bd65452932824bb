"""What most commands are about: the flags that name a model, a device and a deployment; and how results go out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from symsim.algebra.units import format_quantity
from symsim.api.costs import Costs, compile
from symsim.command.flags import add_fallback, add_graphs, note, note_alike, wants_why
from symsim.cost.metric_table import metrics, named_metric
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm, Level
from symsim.inputs.cost_model import COST_MODELS, DEFAULT, LATEST, VINTAGES
from symsim.inputs.deployment import SM_RATIO, Deployment, KvPrecision, field_names
from symsim.inputs.device import load_device
from symsim.inputs.engine import DEFAULT_ENGINE, bundled_engines
from symsim.language.words import value_like
from symsim.model.family import Family, find_family
from symsim.pipeline.counts import params
from symsim.pipeline.pipeline import STEPS
from symsim.pipeline.replicas import replicas_in_words
from symsim.pipeline.towers import TOWER, tower_parameters
from symsim.quantization.kv_cache import kv_layouts

_DEFAULT = "; checkpoint: as its quantisation config says (the default, but for infersim: bf16)"
_ENGINE = (
    f"serving engine, whose times and memory plan count: {', '.join(bundled_engines())}, or a TOML ({DEFAULT_ENGINE})"
)
GEMM_HELP = f"bf16, fp8, fp4, int8 or `weights x activations` as `mxfp4 x mxfp8`{_DEFAULT}"
_LAYOUT = f"layout of rows that are stored in parts: {next(iter(kv_layouts()))} where they are fp8, unless stated"
KV_HELP = f"precision of the KV cache{_DEFAULT}"


def add_subject(ask: argparse.ArgumentParser) -> None:
    """What formula, solve and graph are about; the long spellings are simulate's."""
    ask.add_argument("model", metavar="MODEL", help="bundled name, config.json or a folder that holds one")
    add_deployment(ask)


def add_deployment(ask: argparse.ArgumentParser, cost_model: str = DEFAULT) -> None:
    """The device, how the model is served on it, and how costs are counted."""
    add_device(ask)
    add_degrees(ask)
    add_formats(ask, cost_model)


def _also(ask: Any, flag: str, **how: Any) -> None:
    """A spelling of InferSim's: taken everywhere, shown by `simulate` only."""
    ask.add_argument(flag, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **how)


def add_device(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--device", default="H20", metavar="DEVICE", help="bundled name or TOML (H20)")
    _also(ask, "--device-type", dest="device")


def add_degrees(ask: argparse.ArgumentParser) -> None:
    """How many GPUs there are and what they share."""
    group: Any = ask.add_argument_group("deployment")
    group.add_argument("--world-size", type=int, help="GPUs (default: as many as the degrees need)")
    group.add_argument("--num-nodes", type=int, help="nodes (default: as few as the device's scale-up domain allows)")
    group.add_argument("--tp", type=int, default=1, help="tensor parallel size")
    _also(group, "--tp-size", dest="tp", type=int)
    group.add_argument("--pp", type=int, default=1, help="pipeline parallel size: stages that share the layers")
    group.add_argument(
        "--pp-layers", type=_layers, metavar="15,16,16,14", help="layers of each stage (default: evenly)"
    )
    group.add_argument("--cp", type=int, default=1, help="context parallel size: GPUs that share a sequence's context")
    group.add_argument("--dp", type=int, help="data parallel size (default: world-size / (pp * tp * cp))")
    group.add_argument("--ep", type=int, help="expert parallel size (default: all GPUs of a stage that tp leaves)")
    group.add_argument("--moe-tp", type=int, help="GPUs that share one expert (default: those of tp that ep leaves)")
    group.add_argument("--dcp", type=int, default=1, help="tp ranks that share a KV cache in decode")
    group.add_argument("--redundant-experts", type=int, default=0, help="further copies of single experts")


def add_formats(ask: argparse.ArgumentParser, cost_model: str = DEFAULT) -> None:
    """Precisions, communication and the engine of any deployment, and how costs are counted."""
    group: Any = ask.add_argument_group("number formats, communication, engine")
    group.add_argument(
        "--expert-imbalance",
        type=float,
        metavar="C",
        help="variation of experts' popularity (0: that of the draw alone)",
    )
    group.add_argument("--gemm", type=value_like, metavar="FORMAT", help=GEMM_HELP)
    _also(group, "--use-fp8-gemm", dest="gemm", action="store_const", const="fp8")
    add_kv(group)
    _also(group, "--use-fp8-kv", dest="kv", action="store_const", const="fp8")
    group.add_argument("--comm", default="allreduce", choices=["allreduce", "deepep"], help="how tokens reach experts")
    _also(group, "--enable-deepep", dest="comm", action="store_const", const="deepep")
    group.add_argument("--overlap", default="none", choices=["none", "two-batch"])
    _also(group, "--enable-tbo", dest="overlap", action="store_const", const="two-batch")
    group.add_argument("--sm-ratio", type=float, default=SM_RATIO, help="SMs left to compute under overlap")
    group.add_argument("--engine", type=value_like, default=DEFAULT_ENGINE, metavar="ENGINE", help=_ENGINE)
    group.add_argument(
        "--calibration",
        dest="engine",
        metavar="PATH",
        help="in place of --engine: one of your own, as `fit` writes it, or a folder of `fit --kernels`",
    )
    group.add_argument("--memory-share", type=float, help="share of memory, as the engine's flag for it counts")
    ask.add_argument("--cost-model", default=cost_model, choices=sorted(COST_MODELS))
    add_tables(ask)
    add_graphs(ask)
    add_fallback(ask)


def _layers(text: str) -> tuple[int, ...]:
    """Layers of each pipeline stage."""
    if not all(number.strip().isdecimal() for number in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of layers; expected one number a stage, as 15,16,16,14")
    return tuple(int(number) for number in text.split(","))


def add_kv(ask: argparse.ArgumentParser) -> None:
    """How the KV cache is stored."""
    ask.add_argument("--kv", choices=get_args(KvPrecision), help=KV_HELP)
    ask.add_argument("--kv-layout", choices=list(kv_layouts()), help=_LAYOUT)


def add_metric(ask: argparse.ArgumentParser) -> None:
    choices = [metric.flag for metric in metrics().values()]
    ask.add_argument(
        "--metric", type=_metric_flag, default="tpot", choices=choices, metavar="METRIC", help=", ".join(choices)
    )


def _metric_flag(text: str) -> str:
    """A metric as people call it, by the name that it has on the command line."""
    try:
        return named_metric(text).flag
    except SymsimError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_at(ask: argparse.ArgumentParser, about: str = "workload point", example: str = "B=64,S=4096") -> None:
    ask.add_argument("--at", default="", metavar=example, help=about)


def add_level(ask: argparse.ArgumentParser, usual: Level = "model") -> None:
    ask.add_argument("--level", default=usual, choices=get_args(Level), help="how many numbers are put in")


def add_phase(ask: argparse.ArgumentParser, usual: str = "decode") -> None:
    ask.add_argument("--phase", default=usual, choices=STEPS)


def add_tables(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--tables", default=LATEST, choices=VINTAGES, help="vintage of rows and look-up rules")


def deployment_of(subject: Mapping[str, Any]) -> Deployment:
    return Deployment(**{name: subject[name] for name in field_names() if name in subject})


def compiled(subject: Mapping[str, Any]) -> Costs:
    words = (deployment_of(subject), subject["cost_model"], subject["tables"])
    how = {"graphs": subject["graphs"], "fallback": subject["fallback"]}
    costs = compile(subject["model"], subject["device"], *words, **how)
    told = replicas_in_words(costs.compiled)
    note([*costs.notes, *costs.assumptions, *([told] if told else []), *_other_nodes(subject)])
    return costs


def _other_nodes(subject: Mapping[str, Any]) -> list[str]:
    """What is to be said where --num-nodes is not what the device's scale-up domain asks for."""
    stated = subject.get("num_nodes")
    if stated is None or subject["cost_model"] == "infersim":  # the reference's nodes are what its flags say
        return []
    gpus, per_node = deployment_of(subject).world_size, load_device(subject["device"]).gpus_per_node
    needed = -(-gpus // per_node)
    domain = f"{subject['device']} joins {per_node} GPUs in a scale-up domain, so {gpus} GPUs need {needed}"
    return [f"num_nodes = {stated}: {domain}; links are counted as stated"] * (stated != needed)


def note_defaults(*forms: ClosedForm) -> None:
    """Tell what stands in for measured rows, and with --why also which figures nobody measured or chose."""
    note_alike([sentence for form in forms for sentence in form.stand_ins], "other look-ups like it")
    note_assumed(*forms)


def note_assumed(*forms: ClosedForm) -> None:
    """With --why, tell the figures of formulas that nobody measured or chose."""
    if wants_why():
        note([sentence for form in forms for sentence in _assumed(form)])


def _assumed(form: ClosedForm) -> list[str]:
    sources = {name: form.bound.sources.get(name) for name in sorted(form.symbols & form.bound.values.keys())}
    return [
        f"{name} = {float(form.bound.values[name]):g}: {source}"
        for name, source in sources.items()
        if source is not None and source.how in _ASSUMED
    ]


_ASSUMED = ("assumed", "achievable", "constant", "default", "null")
"""Numbers that nobody stated: the device's shares, constants of a cost model, and what a family says of absent keys."""


def family_of(model: str, graphs: Sequence[str], *, fallback: bool) -> Family:
    """The family that describes a model; what was assumed and what is not counted goes to stderr."""
    family = find_family(model, graphs=graphs, fallback=fallback)
    note(_notes(family))
    return family


def counted_parameters(model: str, graphs: Sequence[str], fallback: bool) -> tuple[dict[str, Any], list[str]]:
    """The parameters of a model as plain JSON types, and what is to be noted of it."""
    family = find_family(model, graphs=graphs, fallback=fallback)
    counted = params(family)
    unknown = [f"bytes of the checkpoint are not counted: {counted.checkpoint}"] * isinstance(counted.checkpoint, str)
    return counted.as_dict(), [*_notes(family), *unknown]


def _omitted(family: Family) -> Iterator[str]:
    """What the config describes and the graphs leave out, with its size where that is known."""
    for key in family.sizes.omitted:
        tower = tower_parameters(family) if key == TOWER else None
        held = "" if tower is None else f" ({tower:,} parameters, {format_quantity(2 * tower, 'B')} in bf16)"
        yield f"{key}{held}"


def _notes(family: Family) -> list[str]:
    left_out = [f"{family.config.path}: not counted: {', '.join(_omitted(family))}"] if family.sizes.omitted else []
    return [*family.assumptions, *left_out, *([family.by_rule] if family.sizes.by_rule else [])]
