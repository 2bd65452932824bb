"""symsim verify: does a formula in LaTeX equal the derived one, and if not, what is missing."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.api.costs import Costs
from symsim.api.questions import verify
from symsim.command.flags import add_json, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_deployment, add_level, add_metric, add_subject, compiled, note_defaults
from symsim.errors import SymsimError, did_you_mean
from symsim.paths import is_file, read_text
from symsim.render.terminal import write_words
from symsim.serving.forms import letters
from symsim.verification.check import Verdict
from symsim.verification.form_check import form_has, verify_form
from symsim.verification.latex_passages import displayed, inputs, marked
from symsim.verification.read_text import metric_in


def add(commands: Any) -> None:
    ask = commands.add_parser("verify", help="does a formula in LaTeX equal the derived one")
    ask.add_argument("text", metavar="FILE.tex|FORMULA", help="grammar/latex.lark says which LaTeX is read")
    ask.add_argument("of", nargs="?", metavar="MODEL", help="the same as --model")
    ask.add_argument(
        "--model", metavar="MODEL", help="needed unless the file says what it derives, as symsim prints it"
    )
    ask.add_argument(
        "--form", metavar="QUANTITY[.NAME]", help="a form of serving that it is (symsim list forms); no model is needed"
    )
    add_deployment(ask)
    add_metric(ask)
    ask.set_defaults(metric=None)
    ask.add_argument(
        "--define", action="append", default=[], metavar="NAME=LATEX", help="what a name of the text stands for"
    )
    add_at(ask, "workload point at which terms are given a value")
    add_json(ask)
    ask.set_defaults(command=_verify)


def _verify(
    *, text: str, of: str | None, model: str | None, form: str | None, metric: str | None,
    define: list[str], at: str, json: bool, **subject: Any,
) -> int:  # fmt: skip
    if of is not None and model is not None:
        raise SymsimError(f"verify is about one model; state {of} or --model {model}, one of them")
    model = model or of
    if form is not None or (model is None and _is_of_a_form(text)):
        return _told([_of_form(text, form, define, at)], json)
    if model is not None:
        parts = [({**subject, "model": model, "metric": metric}, *_only_text(text))]
    else:
        read = _texts(text)
        parts = [(_said(command, path), path, part) for path, content in read for command, part in marked(content)]
        if not parts:
            hint = "name it with --model (and --device ...), or verify what `symsim formula --format latex` prints"
            raise SymsimError(f"{read[0][0]} does not say which model it is about; {hint}")
    point = workload_point(at)
    defined = dict(map(_definition, define))
    verdicts: list[Verdict] = []
    found: dict[str, Costs] = {}
    for words, path, part in parts:
        asked = words.pop("metric")
        costs = found[str(words)] = found.get(str(words)) or compiled(words)
        asked = asked or metric_in(part, costs.compiled, path)
        note_defaults(costs.metric(asked).form)
        used = {name: value for name, value in point.items() if name in costs.metric(asked).symbols}
        given = [step for verdict in verdicts for step in verdict.steps]
        verdicts.append(verify(part, costs, asked, path, given, defined, **used))
    return _told(verdicts, json)


def _is_of_a_form(text: str) -> bool:
    """Whether a text that names no model is of what forms of serving are of."""
    path, content = _content(text)
    return not marked(content) and not inputs(content) and form_has(content, path)


def _of_form(text: str, asked: str | None, define: list[str], at: str) -> Verdict:
    path, part = _only_text(text)
    numbers = {} if not at else dict(_letter(one) for one in at.split(","))
    return verify_form(part, asked, path, dict(map(_definition, define)), **numbers)


def _letter(text: str) -> tuple[str, float]:
    """`rate=2` of a point of a form."""
    name, _, number = text.partition("=")
    if name.strip() not in letters():
        raise SymsimError(f"--at {text}: no form has a letter {name.strip()}; {did_you_mean(name.strip(), letters())}")
    try:
        return name.strip(), float(number)
    except ValueError:
        raise SymsimError(f"--at {text}: expected a number in SI units, e.g. rate=2") from None


def _told(verdicts: list[Verdict], json: bool) -> int:
    if json:
        documents = [verdict.as_dict() for verdict in verdicts]
        write_json(documents[0] if len(documents) == 1 else documents)
    else:
        for line in "\n\n".join(map(_sentences, verdicts)).split("\n"):
            write_words(line)
    return 0 if all(verdict.equal for verdict in verdicts) else 1


def _definition(text: str) -> tuple[str, str]:
    name, equals, meaning = text.partition("=")
    if not equals or not name.strip() or not meaning.strip():
        raise SymsimError(f"--define {text}: expected NAME=LATEX, e.g. --define 'h=D'")
    return name.strip(), meaning.strip()


def _only_text(text: str) -> tuple[str, str]:
    """The one text with equations. Raises SymsimError where a file inputs several."""
    read = _texts(text)
    others = [one for one in read[1:] if displayed(one[1])]
    if displayed(read[0][1]) or not others:
        return read[0]
    if len(others) > 1:
        raise SymsimError(f"{text} has no equations of its own; verify one of {', '.join(path for path, _ in others)}")
    return others[0]


def _texts(text: str) -> list[tuple[str, str]]:
    r"""The text, then the files in its folder that it has in with \\input, each with what to call it."""
    path, content = _content(text)
    folder = Path(path).parent
    names = dict.fromkeys(f"{name.removesuffix('.tex')}.tex" for name in inputs(content)) if path == text else {}
    return [(path, content), *(_content(str(folder / name)) for name in names if is_file(folder / name))]


def _content(text: str) -> tuple[str, str]:
    """What to call the text, and the text itself."""
    path = Path(text)
    if text.endswith(".tex") or is_file(path):
        return text, read_text(path)
    return "formula", text


def _said(command: str, path: str) -> dict[str, Any]:
    """The model, device, deployment and metric that a comment names, in the words of `symsim formula`."""
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    add_subject(parser)
    add_metric(parser)
    add_level(parser)
    try:
        found, rest = parser.parse_known_args(shlex.split(command))
    except (argparse.ArgumentError, ValueError, SystemExit) as error:
        raise SymsimError(f"{path}: the comment `symsim formula {command}` is no command: {error}") from None
    if rest:
        raise SymsimError(f"{path}: the comment `symsim formula {command}` has what no command takes: {' '.join(rest)}")
    words = vars(found)
    words.pop("level")
    return words


def _apart(mine: float, own: float) -> str:
    if not own or mine == own:
        return ""
    return f": {100 * abs(mine / own - 1):.3g} % {'more' if mine > own else 'less'}"


def _sentences(found: Verdict) -> str:
    count = len(found.steps)
    checked = f"{count} equation{'s' if count > 1 else ''} compared"
    lines = [f"{found.metric}: {'equal' if found.equal else 'differs'} ({checked}), of {found.subject}"]
    lines += [f"  {one.sentence()}" for one in found.differences]
    for step, (mine, own) in found.values.items():
        unit = next(one.unit for one in found.steps if one.symbol.name == step)
        yours, derived = (format_quantity(value, unit, 6) for value in (mine, own))
        lines.append(f"  {step} at the point: yours is {yours}, derived {derived}{_apart(mine, own)}")
    if found.deviation:
        lines.append(f"  rounded numbers agree within {100 * found.deviation:.2g} %")
    elif found.rounded and found.equal:
        lines.append("  rounded numbers agree exactly")
    if found.taken:
        lines.append(f"  not given here, taken as derived: {', '.join(found.taken)}")
    lines += [f"  {name}: the {meaning}" for name, meaning in found.counted.items()]
    if found.passed_over:
        lines.append(f"  values of workload symbols and tables, not compared: {', '.join(found.passed_over)}")
    if not found.equal and found.at:
        lines.append(f"  the point is {', '.join(f'{name} = {value:.15g}' for name, value in found.at.items())}")
    return "\n".join(lines)
