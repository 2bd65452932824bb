"""What a case told in words asks: `command` as a user types it, `expected` as a sentence with its figures.

A sentence is read by the first rule that fits: what must be refused or named, which figures must be printed.
"""

import json
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.commands import Ran, run

SCALES = {"": 1.0, "K": 1e3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
BINARY = {"KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40}
FIGURE = re.compile(r"(?<![\w.,])(-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)\s?((?:[KkMGTP]?(?:B|FLOP)|[KMGT]iB)(?![\w/-]))?")
PROSE = (
    (re.compile(r"with ([\d,]+) redundant experts"), "--redundant-experts"),
    (re.compile(r"with ([\d,]+) tokens cached"), "--past"),
)
MEMORY = ("--device", "b200", "--cost-model", "roofline", "--metric", "memory", "--at", "B=1,S=1,O=1")
QUOTED = re.compile(r"""('[^']*'|"[^"]*")""")


@dataclass(frozen=True)
class Figure:
    """A number in base units (bytes, FLOP), half a unit of the last digit that is printed, and whether a unit is."""

    value: float
    half: float
    unit: bool

    def fits(self, other: "Figure", allowed: float = 0.0) -> bool:
        """Whether both may be one number; what is printed with fewer digits says too little to be it."""
        coarse = other.half > 2 * self.half + 1e-7 * abs(other.value)
        return not coarse and abs(self.value - other.value) <= self.half + other.half + allowed * abs(self.value)


def figures(text: str) -> Iterator[Figure]:
    """Every number of a text, as 48,068 or 23.52 GB or 1.5e9."""
    for digits, unit in FIGURE.findall(text):
        plain = digits.replace(",", "").rstrip(".")
        scale = BINARY.get(unit) or SCALES[unit[:1] if unit[1:] else ""] if unit else 1.0
        mantissa, _, exponent = plain.partition("e")
        places = len(mantissa.partition(".")[2])
        power = 10.0 ** int(exponent or 0)
        whole = not places and not exponent and scale == 1.0
        yield Figure(float(plain) * scale, 0.0 if whole else 0.5 * 10.0**-places * power * scale, bool(unit))


@dataclass(frozen=True)
class Asked:
    """A command of a case: its words, the flags and the divisor that its prose stands for."""

    words: tuple[str, ...]
    divisor: float = 1.0

    def changed(self, *words: str) -> "Asked":
        return Asked((*self.words, *words), self.divisor)


def command_of(text: str, place: Callable[[str], str]) -> Asked | None:
    """The command in a text, or None where there is none; place: a model as the case names it -> as symsim takes it."""
    if not text.startswith("symsim "):
        return None
    parts, prose, ended = [], "", False
    for part in QUOTED.split(text.removeprefix("symsim ")):
        cut = None if ended or QUOTED.fullmatch(part) else re.search(r"(?:^|\s)(?:\(|with\s|against\s)", part)
        if ended or cut:
            start = 0 if ended or cut is None else cut.start()
            parts.append("" if ended else part[:start])
            prose, ended = prose + part[start:], True
        else:
            parts.append(part)
    words = shlex.split("".join(parts))
    words[1:2] = [place(word) for word in words[1:2]]
    for pattern, flag in PROSE:
        words += [word for number in pattern.findall(prose) for word in (flag, number.replace(",", ""))]
    length = re.search(r"cache of a sequence of ([\d,]+)", prose)
    if length:
        words += ["--at", f"B=1,S={int(length[1].replace(',', '')) - 1},O=1"]
    divided = re.search(r"/ (\d+)\)", prose)
    return Asked(tuple(words), float(divided[1]) if divided else 1.0)


def outputs(asked: Asked) -> Iterator[Ran]:
    """What the command prints, plain and in the forms that show more of the same answer."""
    yield run(*asked.words)
    yield run(*asked.words, "--json")
    if asked.words[0] == "params":
        yield run("formula", asked.words[1], *MEMORY)
    if "memory" in asked.words and "--breakdown" not in asked.words:
        yield run(*asked.words, "--breakdown")
        yield run(*asked.words, "--breakdown", "--json")


Judgement = tuple[bool | None, str]
"""Right, wrong, or (None) refused with the reason; and what there is to say."""


def judged(asked: Asked, expected: str) -> Judgement:
    """Whether symsim does as the sentence says."""
    for pattern, judge in RULES:
        found = pattern.search(expected)
        if found:
            return judge(asked, expected, found)
    return False, f"the checker cannot read what is expected: {expected}"


def refusal(done: Ran) -> Judgement | None:
    """The judgement of an answer that is due and is not given."""
    if done.returncode == 0:
        return None
    sentence = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no word why")
    return (None if done.returncode in (1, 2) and "Traceback" not in done.stderr else False), sentence[:220]


def _refused(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    done = run(*asked.words)
    if done.returncode == 2 and done.stderr.strip():
        return True, ""
    named = [number for number in re.findall(r"= (\d+)", expected) if re.search(rf"\b{number}\b", done.stderr)]
    return bool(named), f"exit {done.returncode}, and no word of it: {done.stderr[-200:]}"


def _names_a_way(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    done = run(*asked.words)
    said = done.stdout + done.stderr
    way = re.search(rf"\btp\s*=?\s*{found[1]}\b", said) and re.search(rf"\b{found[2]}\b", said)
    claims = "no size of the deployment" in said or ("x 2." in said and "tp" not in said)
    honest = "makes no such claim" in expected and not claims
    return bool(way or honest), f"does not name tp = {found[1]} on {found[2]} GPUs: {said[-220:]}"


def _feasible(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    done = run(*asked.words)
    return refusal(done) or (True, "")


def _driver_keeps(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    device = asked.words[asked.words.index("--device") + 1]
    done = run("list", "devices", "--json")
    listed = next((part for part in done.stdout.split("},") if f'"{device}"' in part), "")
    stated = re.search(r'"hbm_capacity": "?([^",}]+)', listed)
    capacity = next(figures(stated[1] if stated else ""), Figure(0.0, 0.0, False)).value
    whole = float(found[1]) * 2**30
    return 0.97 * whole <= capacity <= whole, f"hbm_capacity of {device} is {stated and stated[1]}"


def _cache_of_token(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    words = list(asked.words)
    if "--cp" in words:
        words[words.index("--cp")] = "--dcp"
    held: list[float] = []
    for length in (4095, 8191):
        done = run(*words, "--at", f"B=1,S={length},O=1", "--breakdown", "--json")
        if done.returncode:
            return refusal(done) or (False, "")
        held += [json.loads(done.stdout)["value"]]
    each = (held[1] - held[0]) / 4096
    return abs(each - float(found[1].replace(",", ""))) < 1, f"{each:,} B of cache a token and GPU"


def _routed_experts(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    """Weights of r more experts on the same GPUs are as those of so many fewer GPUs."""
    held: list[float] = []
    words = list(asked.words)
    plain = words[: words.index("--redundant-experts")] if "--redundant-experts" in words else words
    gpus = int(plain[plain.index("--world-size") + 1])
    half = [str(gpus // 2) if word == str(gpus) else word for word in plain]
    nodes = half.index("--num-nodes") + 1
    half[nodes] = str(max(1, int(half[nodes]) // 2))
    rest = ("--metric", "memory", "--at", "B=1,S=1,O=1", "--breakdown", "--json")
    for each in (plain, words, half):
        done = run(*each, *rest)
        if done.returncode:
            return refusal(done) or (False, "")
        held.append(json.loads(done.stdout)["weights"])
    more, double = held[1] - held[0], held[2] - held[0]
    each_gpu = 256 / gpus
    experts = each_gpu * (1 + more / double) if double else 0.0
    return abs(experts - float(found[1])) < 0.02, f"{experts:.2f} routed experts a GPU"


def _formats(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    """Most weights are those of experts, at 4.5 bits; the rest takes a byte or two."""
    done = run(*asked.words, "--at", "B=1,S=1,O=1")
    if done.returncode:
        return refusal(done) or (False, "")
    counted = run("params", asked.words[1])
    total = max(figure.value for figure in figures(counted.stdout))
    held = max(figure.value for figure in figures(done.stdout))
    return 0.5 <= held / total <= 0.75, f"{held / total:.3f} B a parameter"


def _answer_or_name(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    done = run(*asked.words)
    return done.returncode == 0 or found[1] in done.stderr, done.stderr[:220]


def _figures(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    """The first figure of the sentence is printed; where a name and a figure follow, that one as well under it."""
    clauses = expected.split(";")
    due = [figure for figure in figures(clauses[0]) if figure.unit or figure.value >= 1000]
    if not due:
        return _answered(asked, expected, found)
    verdict = _prints(asked, [figure for figure in due if figure.value == due[0].value])
    named = re.search(r"(\bq8_0|\bint\d|\bfp\d)\b.*?: ([\d,]+)", ";".join(clauses[1:]))
    if verdict[0] and named and "--kv" in asked.words:
        kv = asked.words.index("--kv") + 1
        other = Asked((*asked.words[:kv], named[1], *asked.words[kv + 1 :]))
        return _prints(other, [next(figures(named[2]))])
    return verdict


def _prints(asked: Asked, spelled: Sequence[Figure]) -> Judgement:
    """Whether a figure is printed in one of its spellings, such as bytes and MiB."""
    due = spelled[0]
    seen: list[Figure] = []
    first: Ran | None = None
    for done in outputs(asked):
        first = first or done
        seen += figures(done.stdout + "\n" + done.stderr)
        seen += _beyond_windows(done.stdout)
        scaled = [Figure(each.value * asked.divisor, each.half, True) for each in spelled]
        if any(each.fits(figure) for each in scaled for figure in seen):
            return True, ""
    assert first is not None
    shown = first.stdout.strip().splitlines() or [""]
    return refusal(first) or (False, f"expected {due.value:,.10g}: {shown[-1][:200]}")


def _beyond_windows(text: str) -> Iterator[Figure]:
    """What a token takes that is behind every window."""
    each = re.search(r'"per_token": ([\d.]+),\s*"windows"', text)
    if each:
        windows = re.findall(r'"tokens": \d+,\s*"per_token": ([\d.]+)', text)
        yield Figure(float(each[1]) - sum(map(float, windows)), 0.0, False)


def _answered(asked: Asked, expected: str, found: re.Match[str]) -> Judgement:
    done = run(*asked.words)
    return refusal(done) or (True, "")


RULES: Sequence[tuple[re.Pattern[str], Callable[[Asked, str, re.Match[str]], Judgement]]] = (
    (re.compile(r"^refused"), _refused),
    (re.compile(r"tp = (\d+) on (\d+) GPUs"), _names_a_way),
    (re.compile(r"^feasible"), _feasible),
    (re.compile(r"(\d+) GiB less what the driver keeps"), _driver_keeps),
    (re.compile(r"([\d,]+) B of cache a token and GPU"), _cache_of_token),
    (re.compile(r"(\d+) routed experts a GPU"), _routed_experts),
    (re.compile(r"^experts nvfp4, the rest fp8"), _formats),
    (re.compile(r"^an answer; or the error names (\w+)"), _answer_or_name),
    (re.compile(r"\d{4}|\d,\d{3}|[\d.]+ [KMGT]?(?:B|FLOP)"), _figures),
    (re.compile(r"^answered"), _answered),
)
