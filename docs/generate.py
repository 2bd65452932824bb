"""Hook of MkDocs: what is kept elsewhere is put into its page when the site is built, and formulas become MathML.

A page says `{{ symbols }}`, `{{ file grammar/query.lark }}` or `{{ include graphs/README.md | The language }}` (that
section, without its heading). Links of an included text lead to the pages of the site.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from griffe import Docstring, Extension, Object
from latex2mathml.converter import convert

from symsim import errors
from symsim.algebra.symbols import KNOWN
from symsim.api.costs import compile
from symsim.calibration.accuracy import accuracy
from symsim.command.parsing import COMMANDS, parser_for
from symsim.inputs.cost_model import COST_MODELS
from symsim.inputs.deployment import Deployment
from symsim.inputs.engine import bundled_engines, load_engine
from symsim.render.accuracy import save_accuracy
from symsim.tables.engine_times import shipped_times

ROOT = Path(__file__).resolve().parent.parent
PLACE = re.compile(r"^\{\{ (\w+)(?: (.*?))? \}\}$", re.MULTILINE)
MATH = re.compile(r"^\$\$\n(.*?)^\$\$$", re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^>>> .*\n(?:\S.*\n)*", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]*)(#[^)]*)?\)")
PAGES = {
    "README.md": "index.md",
    "graphs/README.md": "reference/graph-language.md",
    "hardware/README.md": "reference/devices.md",
    "engines/README.md": "reference/engines.md",
    "mfu/README.md": "reference/tables.md",
    "CONTRIBUTING.md": "contributing.md",
    "grammar/latex.lark": "reference/latex.md",
}
"""File of the checkout -> the page of the site that shows it."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill in what a page asks for; MkDocs calls this for each."""
    here = page.file.src_uri

    def filled(place: re.Match[str]) -> str:
        return GENERATED[place[1]](place[2] or "", here)

    return MATH.sub(_mathml, PLACE.sub(filled, markdown))


class Doctests(Extension):
    """Sessions in docstrings, `>>>` up to the next empty line, are fenced as Python."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring = Docstring(
                SESSION.sub(lambda session: f"```pycon\n{session[0].rstrip()}\n```\n", f"{obj.docstring.value}\n"),
                lineno=obj.docstring.lineno,
                endlineno=obj.docstring.endlineno,
                parent=obj,
            )


def _mathml(formula: re.Match[str]) -> str:
    """Rows of `aligned` as the converter knows them."""
    rows = formula[1].replace("{aligned}", "{align*}")
    return f'<div class="formula">{convert(rows, display="block")}</div>\n'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _symbols(_: str, __: str) -> str:
    def row(name: str) -> Sequence[str]:
        info = KNOWN[name]
        return f"`{name}`", convert(info.latex), info.unit, info.meaning

    kinds: dict[str, list[str]] = {}
    for name in KNOWN:
        kinds.setdefault(KNOWN[name].kind, []).append(name)
    head = ("symbol", "printed", "unit", "meaning")
    return "\n\n".join(f"## {kind.capitalize()}\n\n{_table(head, map(row, names))}" for kind, names in kinds.items())


def _metrics(_: str, __: str) -> str:
    import tomllib

    rows = tomllib.loads((ROOT / "grammar" / "metrics.toml").read_text())
    return _table(
        ("metric", "printed", "unit", "formula", "meaning"),
        [
            (f"`{name}`", convert(row["latex"]), row["unit"], f"`{row['formula']}`", row["meaning"])
            for name, row in rows.items()
        ],
    )


def _commands(_: str, __: str) -> str:
    os.environ["COLUMNS"] = "100"
    return "\n\n".join(f"## {name}\n\n```text\n{parser_for([name])[0].format_help()}```" for name in COMMANDS)


def _cost_models(_: str, __: str) -> str:
    """Every constant that a cost model adds to datasheet and config, with its value and source."""
    rows = [
        (f"`{model.name}`", f"`{name}`" if name in model.constants else f"a {name}", f"{float(value):g}", source)
        for model in COST_MODELS.values()
        for name, source in model.sources.items()
        for value in [{**model.scale, **model.constants}[name]]
    ]
    return _table(("cost model", "constant, or unit", "value (SI), or factor", "source"), rows)


def _errors(_: str, __: str) -> str:
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    rows = [(f"`{e.__name__}`", f"`{e.__base__.__name__}`", " ".join((e.__doc__ or "").split())) for e in found]  # pyright: ignore
    return _table(("error", "is a", "raised where"), rows)


def _departures(_: str, __: str) -> str:
    """The list that follows "Departures" in the changelog."""
    text = (ROOT / "CHANGELOG.md").read_text().partition("Departures from")[2]
    return text.partition("\n\n")[2].partition("\n#")[0]


def _file(name: str, _: str) -> str:
    return f"```text\n{(ROOT / name).read_text()}```"


def _include(words: str, here: str) -> str:
    """A file, or the sections of it that are named after `|`, without the first heading."""
    name, _, wanted = (word.strip() for word in words.partition("|"))
    text = (ROOT / name).read_text()
    if wanted:
        sections = {part.partition("\n")[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}
        text = sections[wanted].partition("\n")[2]
    return LINK.sub(lambda link: _link(link, Path(name).parent, here), text)


def _link(link: re.Match[str], folder: Path, here: str) -> str:
    """A link of an included text, as one of the page: into the site, or into the text itself."""
    target, anchor = link[1], link[2] or ""
    if not target:
        return link[0]
    name = os.path.normpath(folder / target)
    shown = name.removeprefix("docs/") if name.startswith("docs/") else PAGES.get(name)
    assert shown, f"{here}: no page of the site shows {name}, which an included text links to"
    return f"]({os.path.relpath(shown, Path(here).parent)}{anchor})"


def _gallery(_: str, __: str) -> str:
    """Links to the pages that `on_post_build` writes."""
    return "\n".join(
        f'- <a href="../gallery-pages/{model}.html">{model} on {device}, tp {tp}</a>' for model, device, tp in GALLERY
    )


def _engine_errors(_: str, __: str) -> str:
    """Of every engine and architecture, how far off set-ups were that were left out of the fit."""
    named = {name: load_engine(name).name for name in bundled_engines()}
    rows = (
        (named[one.engine], one.architecture, f"{one.rows} of {one.setups}", f"{one.median:.1%}", f"{one.p90:.1%}")
        for one in shipped_times()
    )
    return _table(("engine", "architecture", "runs of set-ups", "median", "p90"), rows)


def on_post_build(*, config: Any, **_: Any) -> None:
    """Write the pages of the gallery, and the picture of predicted against measured runs, into the site."""
    save_accuracy(accuracy(), Path(config["site_dir"]) / "explanation" / "accuracy.svg")
    folder = Path(config["site_dir"]) / "gallery-pages"
    folder.mkdir(parents=True, exist_ok=True)
    for model, device, tp in GALLERY:
        compile(model, device, Deployment(tp=tp), "calibrated").page(folder / f"{model}.html", B=32, S=4096, O=1024)


GALLERY = (
    ("llama-3.3-70b-instruct", "h200", 4),
    ("llama-3.1-8b-instruct", "h100", 1),
    ("qwen3-8b", "h100", 1),
    ("qwen3-30b-a3b", "h100", 2),
    ("qwen3-235b-a22b", "h200", 8),
    ("deepseek-v3", "h200", 8),
    ("gpt-oss-120b", "b200", 2),
    ("gpt-oss-20b", "h100", 1),
)
"""Models, devices and tensor parallel sizes of the gallery."""

GENERATED = {
    "engine_errors": _engine_errors,
    "gallery": _gallery,
    "symbols": _symbols,
    "metrics": _metrics,
    "commands": _commands,
    "cost_models": _cost_models,
    "errors": _errors,
    "departures": _departures,
    "file": _file,
    "include": _include,
}
