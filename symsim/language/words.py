"""grammar/words.toml: what people call symbols, metrics and options -> their names here, or the several it may mean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain
from typing import Any

from symsim.errors import SymsimError, did_you_mean
from symsim.paths import GRAMMAR


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((GRAMMAR / "words.toml").read_text(encoding="utf-8"))


def meant(word: str, quantile: str = "") -> str:
    """The symbol or the metric that a word stands for, or its quantile; a word that stands for nothing else as it is.

    Raises SymsimError for one that may stand for several.

    >>> meant("Batch-Size"), meant("tok/sec/user"), meant("inter-token latency"), meant("itl", "p99")
    ('B', 'tokens/s/user', 'TPOT', 'ITL_p99')
    >>> meant("TPS")
    Traceback (most recent call last):
    symsim.errors.SymsimError: TPS may mean tokens/s/user or tokens/s/GPU; write the one that is meant
    """
    match next((row for phrase, row in _meanings() if phrase.fullmatch(word)), ("means", word)):
        case "means", name:
            return f"{name}_{quantile}" if quantile else _table()["mean"].get(name, name)
        case _, name:
            *first, last = _table()["several"][name]
            raise SymsimError(f"{word} may mean {', '.join(first)} or {last}; write the one that is meant")


def instead(name: str, known: Iterable[str]) -> str:
    """What to do about the name of a metric that is none: the command that answers it, else the nearest that are known.

    >>> instead("users", ["tpot"]), instead("tpo", ["tpot"])
    ('symsim predict MODEL answers it', 'did you mean tpot?')
    """
    for command, words in _table()["elsewhere"].items():
        if any(re.fullmatch(_pattern(word), one, re.IGNORECASE) for word in words for one in (name, meant(name))):
            return f"{command} answers it"
    return did_you_mean(name, known)


def options_like(option: str) -> tuple[str, ...]:
    """The options here that other tools spell so.

    >>> options_like("--tensor_parallel_size"), options_like("--num-gpus")
    (('--tp',), ('--world-size', '--gpus'))
    """
    name = option.lower().strip("-").replace("_", "-")
    return tuple(f"--{own}" for own, others in _table()["options"].items() if name in (own, *others))


def unstated(option: str) -> str:
    """How that is said here for which other tools have an option, and symsim none; empty for one that is unknown."""
    return _listed("unstated", option.strip("-").replace("_", "-")) or ""


def value_like(value: str) -> str:
    """The value of an option that other tools call so; one of its own as it is.

    >>> value_like("bfloat16"), value_like("TensorRT-LLM"), value_like("fp4")
    ('bf16', 'trtllm', 'fp4')
    """
    return _listed("values", value) or value


def command_like(name: str) -> str | None:
    """The command that other tools call so; None for what none does."""
    return _listed("commands", name)


def _listed(section: str, word: str) -> str | None:
    """The row of a section that lists a word."""
    return next((name for name, words in _table()[section].items() if word.lower() in words), None)


def unit_of_bare(metric: str) -> str | None:
    """The unit of a number without one for a metric, where it can be one alone."""
    return _table()["unit"].get(metric)


def words_pattern() -> str:
    """A regular expression of every word of the table, the longest first."""
    elsewhere = chain.from_iterable(_table()["elsewhere"].values())
    others = (_pattern(word) for word in elsewhere if not word.isidentifier())  # which are names of the grammar
    phrases = sorted((*others, *(phrase.pattern for phrase, _ in _meanings())), key=len, reverse=True)
    return rf"(?:{'|'.join(phrases)})(?![\w\/])"


@cache
def _meanings() -> tuple[tuple[re.Pattern[str], tuple[str, str]], ...]:
    """A pattern of each word, and the section and the row that it stands in. Names that are no name in a grammar, and
    those with a mean, are words, too."""
    table = _table()
    own = [("means", name, name) for name in (*table["means"], *table["mean"]) if "/" in name or name in table["mean"]]
    rows = [*own, *(("means", name, word) for name, words in table["means"].items() for word in words)]
    rows += [("several", word, word) for word in table["several"]]
    return tuple((re.compile(_pattern(word), re.IGNORECASE), (section, name)) for section, name, word in rows)


def _pattern(phrase: str) -> str:
    spellings = _table()["spelling"]
    parts = re.findall(r"\w+|/| |\$", phrase)
    return "".join(_JOINTS.get(part) or spellings.get(part) or re.escape(part) for part in parts)


_JOINTS: Mapping[str, str] = {" ": r"[\s_-]+", "/": r"(?:\s*\/\s*|[\s_-]+per[\s_-]+)"}
