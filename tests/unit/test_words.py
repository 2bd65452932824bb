"""grammar/words.toml: each word stands for one thing that there is, or is refused with the several that it may mean."""

import itertools
import tomllib
from typing import Any

import pytest

from symsim.algebra.symbols import is_symbol
from symsim.command.parsing import COMMANDS, parser_for
from symsim.cost.metric_table import metrics, named_metric
from symsim.errors import SymsimError
from symsim.inputs.engine import bundled_engines
from symsim.inputs.space import SIZES
from symsim.language.query_text import parse_query
from symsim.language.words import instead, meant
from symsim.paths import GRAMMAR
from symsim.serving.points import METRICS, UNKNOWNS, USERS, key

TABLE: dict[str, dict[str, Any]] = tomllib.loads((GRAMMAR / "words.toml").read_text(encoding="utf-8"))
WORDS = [(word, name) for name, words in TABLE["means"].items() for word in words]


def is_known(name: str) -> bool:
    """Whether questions have a symbol or a metric of this name."""
    step_metrics = {name for row in metrics().values() for name in (row.name, *row.aliases)}
    load = {*METRICS, *(metric.partition("_")[0] for metric in METRICS), *UNKNOWNS, USERS}
    return is_symbol(name) or name in SIZES or name in load or key(name) in load or name in step_metrics


@pytest.mark.parametrize(("word", "name"), WORDS)
def test_a_word_is_read_as_the_one_thing_that_it_stands_for(word: str, name: str) -> None:
    assert is_known(name)
    assert not is_known(word)
    for written in (word, word.upper(), word.replace(" ", "-"), word.replace(" ", "_"), word.replace("/", " per ")):
        assert parse_query(f"max B subject to {written} <= 3 s").constraints[0].metric == meant(name), written


@pytest.mark.parametrize("word", TABLE["several"])
def test_a_word_for_several_things_is_refused_with_their_names(word: str) -> None:
    with pytest.raises(SymsimError) as refused:
        parse_query(f"min {word}")
    for name in TABLE["several"][word]:
        assert is_known(name.partition(" ")[0])
        assert name in str(refused.value)


def test_no_word_stands_twice() -> None:
    words = [word for word, _ in WORDS] + [*TABLE["several"]]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_of_requests_is_one_of_a_step_or_points_to_the_command_that_answers_it(metric: str) -> None:
    if metric in ("ttft", "tpot", "tgs", "tokens/s/user", "tokens/s/gpu"):
        assert named_metric(metric).asked
    else:
        with pytest.raises(SymsimError, match=r"symsim \w+ MODEL answers it"):
            named_metric(metric)


def test_commands_that_answer_are_commands() -> None:
    for command in TABLE["elsewhere"]:
        program, name, *_ = command.split()
        assert program == "symsim"
        assert name in COMMANDS
    assert instead("KV-cache", ()) == "symsim cache MODEL answers it"


def test_options_of_other_tools_stand_for_options_here() -> None:
    parsers = [parser_for([command])[0] for command in COMMANDS]
    own = {option.strip("-") for parser in parsers for option in parser._option_string_actions}
    assert set(TABLE["options"]) <= own
    spelled = [*itertools.chain.from_iterable(TABLE["options"].values())]
    twice = {option for option in spelled if spelled.count(option) > 1}
    of_deployment_or_all = {"num-gpus", "total-gpus"}
    assert twice == of_deployment_or_all | {"num-users", "max-concurrency", "clients"}  # --users or --concurrency


def test_values_and_commands_of_other_tools_stand_for_those_here() -> None:
    for command in TABLE["commands"]:
        assert command.startswith("--") or command.split()[0] in COMMANDS
    parsers = [parser_for([command])[0] for command in COMMANDS]
    choices = {choice for parser in parsers for action in parser._actions for choice in action.choices or ()}
    assert set(TABLE["values"]) - set(bundled_engines()) <= choices
