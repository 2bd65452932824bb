"""Ask symsim every case of a file and say which it answers as expected.

    python tests/oracle/check_cases.py PATH [--kind KIND] [--name NAME] [--later]

PATH: a JSON file with `cases`, each either a `command` with what is `expected` in a sentence (models are files in the
folder `field_configs` beside it), or a `config` (a folder, below the folder of PATH or the one above) with what is
expected of it: counts, or an exit code and the key that must be named.  Prints a line for each that is not right and
`N right, N wrong, N refused with reason`; exit 0 where all are right.  --later: also what needs requests under load.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.commands import run
from tests.oracle.case_sentences import Figure, Judgement, command_of, figures, judged, refusal

AT = ("--device", "h200", "--cost-model", "roofline")
DUE = 60.0
"""Seconds within which any case is answered, where it says nothing of seconds."""


def check(case: Mapping[str, Any], folder: Path) -> Judgement:
    """One case; a traceback is a wrong answer."""
    started = time.perf_counter()
    try:
        found = _of_config(case, folder) if "config" in case else _of_command(case, folder)
    except Exception as error:
        return False, f"{type(error).__name__}: {str(error)[:200]}"
    seconds = time.perf_counter() - started
    limit = case["expected"].get("within_seconds", DUE) if isinstance(case["expected"], dict) else DUE
    return (False, f"took {seconds:.1f} s, expected at most {limit}") if seconds > limit else found


def _of_command(case: Mapping[str, Any], folder: Path) -> Judgement:
    def place(model: str) -> str:
        for path in (folder / "field_configs" / model, folder / "field_configs" / f"{model}.json"):
            if path.exists():
                return str(path)
        changed = re.search(r"(\S[^']*)'s published .*? with the key (\w+) = (\w+) in (.*)", case.get("note", ""))
        return str(_with_key(changed, folder)) if changed else model

    asked = command_of(case["command"], place)
    return (None, "no command") if asked is None else judged(asked, case["expected"])


def _with_key(changed: re.Match[str], folder: Path) -> Path:
    """A published file with one key more in the sections that a note names, in a folder of its own."""
    words = re.findall(r"\w+", changed[1].lower().rpartition(" is ")[2])
    published = folder.parent / "configs" / "published"
    file = next(path for path in sorted(published.iterdir()) if all(word in path.name.lower() for word in words))
    keys = json.loads((file / "config.json").read_text())
    for section in re.findall(r"\w+_config", changed[4]):
        keys.get(section, {})[changed[2]] = json.loads(changed[3])
    path = Path(tempfile.mkdtemp()) / "config.json"
    path.write_text(json.dumps(keys))
    return path


def _of_config(case: Mapping[str, Any], folder: Path) -> Judgement:
    where = next(path for path in (folder / case["config"], folder.parent / case["config"]) if path.exists())
    expected = case["expected"]
    if expected.get("exit", 0) == 2:
        return _must_refuse(str(where), expected.get("names_key", ""))
    if isinstance(expected.get("exit"), list):
        done = run("params", str(where))
        return done.returncode in expected["exit"], f"exit {done.returncode}"
    for finding in _answers(str(where), case):
        if finding is not None and finding[0] is not True:
            return finding
    return True, ""


def _must_refuse(model: str, key: str) -> Judgement:
    for words in (("params", model), ("formula", model, *AT, "--metric", "memory", "--at", "B=1,S=1,O=1")):
        done = run(*words)
        if done.returncode != 2:
            return False, f"{words[0]}: exit {done.returncode}, expected a refusal that names {key}"
        if key not in done.stderr:
            return False, f"{words[0]} does not name {key}: {done.stderr[:200]}"
    return True, ""


def _answers(model: str, case: Mapping[str, Any]) -> Iterator[Judgement | None]:
    """A finding for each command of the case; None where it is as it should be."""
    expected: Mapping[str, Any] = case["expected"]
    counted = run("params", model, "--json")
    yield refusal(counted)
    counts = json.loads(counted.stdout)
    yield _counts(counts, expected)
    for words in answers_due(model):
        yield refusal(run(*words))
    if case["kind"] == "refused-infersim":
        yield refusal(run("simulate", "--config-path", model))
    if "tp" in expected:
        tp = str(expected["tp"])
        yield refusal(run("formula", model, *AT, "--world-size", tp, "--tp", tp, "--at", "B=1,S=1024,O=1024"))
    if "weights_bytes" in expected:
        yield _weights(model, counts, expected)


def answers_due(model: str) -> tuple[tuple[str, ...], ...]:
    """The commands by which a config is answered in full, besides its counts."""
    at = ("--at", "B=1,S=1024,O=1024")
    return (
        ("flops", model, "--seq", "128"),
        ("flops", model, "--phase", "decode", "--seq", "128", "--causal"),
        ("cache", model),
        ("formula", model, *AT, "--metric", "memory", *at),
        ("formula", model, *AT, *at),
    )


def _counts(counts: Mapping[str, Any], expected: Mapping[str, Any]) -> Judgement | None:
    layers = [sum(count for part, count in layer.items() if part != "shared") for layer in counts["layers"]]
    found = {**counts, "layers": layers, "total_with_cross_attention": counts["total"]}
    for name in ("total", "total_with_cross_attention", "embedding", "lm_head", "layers"):
        if name in expected and found[name] != expected[name]:
            both = f"{found[name]} where {expected[name]} is expected"
            return False, f"{name}: {both if name != 'layers' else _first_difference(layers, expected[name])}"
    return None


def _first_difference(found: list[int], expected: list[int]) -> str:
    if len(found) != len(expected):
        return f"{len(found)} layers where {len(expected)} are expected"
    i = next(i for i, both in enumerate(zip(found, expected, strict=True)) if both[0] != both[1])
    return f"layer {i} has {found[i]:,} where {expected[i]:,} are expected"


def _weights(model: str, counts: Mapping[str, Any], expected: Mapping[str, Any]) -> Judgement | None:
    """Bytes of the weights, within the tolerance that the case states."""
    allowed = float(str(expected.get("tolerance", "0.5 %")).split()[0]) / 100
    due = Figure(float(expected["weights_bytes"]), 0.0, True)
    found = [Figure(float(counts.get("checkpoint_bytes") or 0), 0.0, True)]
    found += figures(run("formula", model, *AT, "--metric", "memory", "--breakdown", "--at", "B=1,S=1,O=1").stdout)
    if any(due.fits(figure, allowed) for figure in found):
        return None
    return False, f"weights of {due.value:,.0f} B expected, params says {found[0].value:,.0f}"


def counted(verdicts: list[bool | None]) -> str:
    """The line that sums up."""
    return f"{verdicts.count(True)} right, {verdicts.count(False)} wrong, {verdicts.count(None)} refused with reason"


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("path", type=Path)
    ask.add_argument("--kind", default="", help="only cases whose kind begins so")
    ask.add_argument("--name", default="", help="only cases whose name or id begins so")
    ask.add_argument("--later", action="store_true", help="also cases of requests under load")
    told = ask.parse_args()
    verdicts: list[bool | None] = []
    for case in json.loads(told.path.read_text())["cases"]:
        name = case.get("id") or case["name"]
        later = case.get("issue") == "D" and not told.later
        if later or not case["kind"].startswith(told.kind) or not name.startswith(told.name):
            continue
        verdict, why = check(case, told.path.resolve().parent)
        verdicts.append(verdict)
        if verdict is not True:
            print(f"{'wrong' if verdict is False else 'refused'}  {name} ({case['kind']}): {why}", flush=True)
    print(counted(verdicts))
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
