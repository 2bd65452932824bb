"""symsim fit: what a user measured becomes an engine of his own; --kernels fits forms of kernel time again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.calibration.measured import measured_name
from symsim.calibration.own_fit import OwnFit, fit, stated_fields
from symsim.calibration.package import package_name
from symsim.calibration.refit import refit_kernels
from symsim.command.flags import add_json, note, write_json
from symsim.command.subject import add_deployment, deployment_of
from symsim.errors import SymsimError
from symsim.inputs.device import load_device
from symsim.inputs.engine import DEFAULT_ENGINE, TIMES
from symsim.render.terminal import table_text


def add(commands: Any) -> None:
    ask = commands.add_parser("fit", help="what you measured as an engine of your own; --kernels: forms of kernels")
    words = f"CSV, or JSON that a benchmark wrote; --kernels: a folder, or {package_name()}"
    ask.add_argument("runs", metavar="RUNS", nargs="+", help=words)
    ask.add_argument("--model", metavar="MODEL", help="what was served")
    add_deployment(ask, "calibrated")
    ask.add_argument("--kernels", action="store_true", help="fit forms of kernel time to a folder of measured kernels")
    corrected = "--kernels: let the nearest measurements correct each form, as a look-up of its own"
    ask.add_argument("--residuals", action="store_true", help=corrected)
    ask.add_argument("--out", metavar="FILE", help="engine TOML to write; --kernels: a folder")
    add_json(ask)
    ask.set_defaults(command=_fit, device=None, engine=None)


def _fit(*, json: bool, **options: Any) -> int:
    if options["kernels"]:
        return _kernels(options, json)
    if options["residuals"]:
        raise SymsimError("--residuals is of kernels: it corrects their forms; give --kernels too")
    for name, what in (("model", "served"), ("device", "were on")):
        if options[name] is None:
            raise SymsimError(f"fit needs --{name}: what the runs {what}")
    options["engine"] = options["engine"] or DEFAULT_ENGINE
    used = deployment_of(options)
    found = fit(options["runs"], options["model"], options["device"], used, str(options["engine"]))
    note([f"{_runs(count)} left out: {why}" for why, count in found.refused.items()])
    if options["out"]:
        found.write(Path(options["out"]))
    if json:
        write_json(found.as_dict())
    else:
        print("\n".join(_screen(found, options["out"])))
    return 0


def _kernels(options: dict[str, Any], json: bool) -> int:
    (folder,) = options["runs"] if len(options["runs"]) == 1 else (None,)
    if folder is None or not options["out"]:
        takes = f"one folder of measured kernels, or {package_name()}, and --out, a folder for coefficients"
        raise SymsimError(f"fit --kernels takes {takes}")
    of_runs = [name for name in ("model", *stated_fields(deployment_of(options))) if options[name] is not None]
    if of_runs:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in of_runs)
        raise SymsimError(f"{words}: of runs, and tells nothing of kernels by themselves; leave it out with --kernels")
    device, engine = options["device"], options["engine"]
    found = refit_kernels(
        folder,
        Path(options["out"]),
        device="*" if device is None else measured_name(load_device(device)),
        engine="*" if engine is None else str(engine),
        residuals=options["residuals"],
    )
    note(found.notes())
    if json:
        write_json(found.as_dict())
    else:
        print("\n".join(found.sentences()))
    return 0


def _screen(found: OwnFit, out: str | None) -> Iterator[str]:
    """What a person reads."""
    yield f"{_runs(found.runs)} of {found.engine}"
    yield ""
    rows = [
        (
            one.name,
            *(_shown(one.name, value) for value in (one.value, one.low, one.high, one.before)),
            "" if one.told else "these runs do not tell",
        )
        for one in found.coefficients
    ]
    yield table_text(("coefficient", "value", "from", "to", "before", ""), rows)
    yield ""
    for metric, (median, p90) in found.errors.items():
        yield f"{metric} of runs left out: {median:.1%} off in the median, {p90:.1%} at the 90th percentile"
    for one, other in found.together:
        yield f"not told apart: {one} and {other}"
    if found.next_run:
        yield f"measure next: {found.next_run}"
    if out:
        yield f"written to {out}: use it with --calibration {out}"


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _shown(name: str, value: float) -> str:
    return format_quantity(value, "s", 3) if TIMES[name] == "s" else f"{value:.3g}"
