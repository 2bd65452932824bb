"""The two languages by example: each file holds a text, a line `---`, and its rendering or its error.

A rejected text states line:column and the message; the printed error also shows the line with a caret.
"""

import re
from pathlib import Path

import pytest

from symsim.cost.kernel_cost import costs, in_bytes
from symsim.errors import SHOWN, SourceError
from symsim.formula.binding import Numbers, deciding_numbers
from symsim.inputs.config import ModelConfig
from symsim.language.library import load_library
from symsim.language.query import Query
from symsim.language.query_text import parse_query
from symsim.language.tree import Expression, Name
from symsim.model.architecture import read_architecture
from symsim.model.lower import lower

HERE = Path(__file__).parent


def examples(kind: str) -> list[Path]:
    return sorted((HERE / kind).glob("*.txt"))


def halves(path: Path) -> tuple[str, str]:
    text, _, expected = path.read_text().partition("---\n")
    return text, expected.strip("\n")


def graph_text(text: str, folder: Path) -> str:
    """Lower and price the last model of a text for one decode step on one GPU; a line an operator."""
    (folder / "mine").mkdir()
    (folder / "mine" / "tiny.graph").write_text(text)
    library = load_library("mine", (folder,))
    _ = [*library.kernels.values(), *library.blocks.values()]  # text is parsed when asked for
    *_, model = library.models.values()
    stated = {name.name: 64 for binding in model.bindings for name in map(single_name, binding.choices) if name}
    sizes = read_architecture(ModelConfig("tiny.json", stated | {"num_hidden_layers": 6}), model, library)
    deployment = {"tp": 1, "nodes": 1, "world_size": 1, "deepep": 0, "pp": 1, "cp": 1}
    numbers = deciding_numbers(Numbers({**sizes.values, **deployment}, {}))  # type: ignore[arg-type]
    graph = lower(model, library, "decode", numbers, sizes.kinds)
    priced, _ = costs(graph, library, numbers)
    lines: list[str] = []
    for op in graph.ops:
        cost = priced[op.name]
        shape = ", ".join(f"{name}={size}" for name, size in op.shape.items())
        links = "".join(f"; {link} {in_bytes(amount)}" for link, amount in cost.send.items())
        totals = f"flops {cost.total_flops}, HBM bytes {cost.hbm_bytes}{links}"
        lines.append(f"{op.name}: {op.kernel}({shape}) x {op.repeat}; {totals}")
    return "\n".join(lines)


def single_name(choice: Expression) -> Name | None:
    return choice if isinstance(choice, Name) and choice.name != "dense_layers" else None


def query_text(query: Query) -> str:
    limits = ", ".join(map(str, query.constraints))
    fixed = ", ".join(f"{name} = {value}" for name, value in query.fixed.items())
    return f"{query.goal} {query.variable}: {limits}; {fixed}"


@pytest.mark.parametrize("path", examples("graph/accept"), ids=lambda path: path.stem)
def test_accepted_graph(path: Path, tmp_path: Path) -> None:
    text, expected = halves(path)
    assert graph_text(text, tmp_path) == expected


@pytest.mark.parametrize("path", examples("graph/reject"), ids=lambda path: path.stem)
def test_rejected_graph(path: Path, tmp_path: Path) -> None:
    text, expected = halves(path)
    with pytest.raises(SourceError) as caught:
        graph_text(text, tmp_path)
    rejected_as(caught.value, expected, text)


@pytest.mark.parametrize("path", examples("query/accept"), ids=lambda path: path.stem)
def test_accepted_query(path: Path) -> None:
    text, expected = halves(path)
    assert query_text(parse_query(text.strip())) == expected.rstrip("\n")


@pytest.mark.parametrize("path", examples("query/reject"), ids=lambda path: path.stem)
def test_rejected_query(path: Path) -> None:
    text, expected = halves(path)
    with pytest.raises(SourceError) as caught:
        parse_query(text.strip())
    rejected_as(caught.value, expected, text)


def rejected_as(error: SourceError, expected: str, text: str) -> None:
    span = error.span
    message = re.sub(r"\S*/tiny.graph", "tiny.graph", error.message)
    assert f"{span.line}:{span.column}: {message}" == expected
    line = (text.splitlines() or [""])[span.line - 1]
    place, shown, caret = str(error).splitlines()[:3]
    assert place.endswith(f":{span.line}:{span.column}")
    part = shown.strip().removeprefix("...").removesuffix("...")  # of a line too long to be shown whole
    assert part == line.strip() or (len(line) > SHOWN and part in line)
    assert caret == f"  {' ' * (span.column - 1)}^"
