"""A compiled model's section of a paper, written into a folder: LaTeX, BibTeX, figures, other notations."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from symsim.analysis.sensitivity import Sensitivity
from symsim.api.costs import Costs
from symsim.api.prediction import Prediction
from symsim.errors import SymsimError, did_you_mean
from symsim.formula.closed_form import Level
from symsim.notation.markdown import markdown_text
from symsim.notation.mathml import html_page
from symsim.notation.typst import typst_text
from symsim.publication.bibliography import bibliography
from symsim.publication.requests_latex import requests_section
from symsim.publication.section import Section, compose, workload_of
from symsim.publication.section_latex import (
    CLASSES,
    MARK,
    fragment,
    short_section,
    typst_section,
    typst_wrapper,
    wrapper,
)
from symsim.render.bars import save_tornado
from symsim.render.curves import band_along, save_regimes
from symsim.render.roofline import save_roofline


def paper(
    costs: Costs,
    out: str | Path,
    level: Level = "symbolic",
    limit: float | None = None,
    *,
    style: str = "article",
    columns: int | None = None,
    short: bool = False,
    only: Sequence[str] = (),
    requests: Prediction | None = None,
    **at: int,
) -> tuple[Path, ...]:
    """Write a section about a compiled model into the folder `out`: LaTeX, BibTeX and figures, and its formulas as
    Markdown, HTML and Typst. Returns the files.

    level: how the formulas of the appendix are printed; limit: a TPOT in seconds that the figure marks; style: class of
    the document around it, article, IEEEtran or acmart; columns: 1 or 2, as the class has it unless given; short:
    without appendix; only: metrics, else all; requests: a load that gets a section of its own; at: the workload point
    (B, S, O, T) of the worked example.  Needs the `paper` extra.  On any error no file is written or changed; files
    of `out` that are not its own are left alone.
    Raises SymsimError where one of them stands in the way, and for a class, a metric or columns that there are not.
    """
    if style not in CLASSES:
        raise SymsimError(f"there is no class {style}; {did_you_mean(style, CLASSES)}")
    if columns not in (None, 1, 2):
        raise SymsimError(f"columns = {columns}: a page has 1 or 2")
    wide = columns or (1 if style == "article" else 2)
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise SymsimError(f"{folder} is a file; name a folder to write the paper into")
    if requests is not None and requests.figures.sentence:
        raise SymsimError(f"there is nothing to write of these requests: {requests.figures.sentence}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".symsim-", dir=folder.parent) as room:
            _fill(Path(room), compose(costs, level, at, only, columns=wide, short=short), limit, style, requests)
            return _moved(Path(room), folder)
    except OSError as error:
        raise SymsimError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _fill(room: Path, section: Section, limit: float | None, style: str, requests: Prediction | None) -> None:
    """All files, into a folder that nobody has seen yet."""
    figures = _draw(room, section, limit)
    sheets = tuple(section.sheets.values())
    shown = {name: text for name, text in figures.items() if name == "tpot.pdf"}
    texts = {
        "section.tex": short_section(section, shown),
        "section.typ": typst_section(section, shown),
        "main.typ": typst_wrapper(section),
        "main.tex": wrapper(section, style, long=bool(sheets), requests=requests is not None),
    }
    if requests is not None:
        texts["requests.tex"] = requests_section(requests, MARK)
    if sheets:
        texts |= {
            "appendix.tex": fragment(section, {name: text for name, text in figures.items() if name != "tpot.pdf"}),
            "formulas.md": f"<!-- {MARK} -->\n\n" + "\n\n".join(map(markdown_text, sheets)) + "\n",
            "formulas.html": html_page(sheets, MARK),
            "formulas.typ": f"// {MARK}\n" + "\n\n".join(map(typst_text, sheets)) + "\n",
        }
    whole = "".join(texts.values())
    keys = [key for group in section.cites.values() for key in group if key in whole]
    texts["references.bib"] = f"% {MARK}\n\n{bibliography(keys)}\n"
    for name, text in texts.items():
        (room / name).write_text(text, encoding="utf-8")


def _draw(room: Path, section: Section, limit: float | None) -> Mapping[str, str]:
    """Draw the pictures; file -> caption, in LaTeX. The roofline only where operators compute and move bytes."""
    costs, point, along = section.costs, section.point, section.map
    if along is None:
        return {}
    lengths = ", ".join(f"${name} = {point[name]}$" for name in ("S", "O"))
    fits = costs.max_batch.evaluate(**workload_of(costs.max_batch, point))
    band = band_along(costs.tpot, along.variable, point, (along.pieces[0].low, along.pieces[-1].high))
    shaded = "" if band is None else "; shaded: in 90\\,\\% of cases"
    pictures: Mapping[str, tuple[str, Callable[[Path], None]]] = {
        "tpot.pdf": (
            f"TPOT over the decode batch at {lengths}{shaded}. Strips: what limits each step",
            lambda file: save_regimes(along, limit, fits, file, MARK, "paper", band),
        ),
        "roofline.pdf": (
            f"Operators of a decode step at $B = {point['B']}$, {lengths}, under the roofs of the device",
            lambda file: save_roofline([costs], ["tpot"], dict(point), file, MARK, "paper"),
        ),
        "sensitivity.pdf": (
            f"Elasticity of TPOT at $B = {point['B']}$, {lengths}: its change in \\% for 1\\,\\% more of each input",
            lambda file: save_tornado(_ranked(costs, point), costs.tpot, file, MARK, "paper"),
        ),
    }
    if not section.sheets:
        pictures = {"tpot.pdf": pictures["tpot.pdf"]}
    flat = not any(cost.total_flops != 0 and cost.hbm_bytes != 0 for cost in costs.compiled.decode.costs.values())
    shown = {name: picture for name, picture in pictures.items() if not (flat and name == "roofline.pdf")}
    for name, (_, draw) in shown.items():
        draw(room / name)
    return {name: caption for name, (caption, _) in shown.items()}


def _ranked(costs: Costs, point: Mapping[str, int]) -> tuple[Sensitivity, ...]:
    return costs.sensitivities("tpot", (), **workload_of(costs.tpot, point))


def _moved(room: Path, folder: Path) -> tuple[Path, ...]:
    """Move all files to where they belong. Raises SymsimError before the first where a file is not ours to replace."""
    files = sorted(room.iterdir())
    for file in files:
        there = folder / file.name
        if there.exists() and MARK.encode() not in there.read_bytes():
            raise SymsimError(f"{there} was not written by symsim paper; move it away, or choose another --out")
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        for file in files:
            os.replace(file, folder / file.name)
    except OSError:
        if made:
            for file in files:
                (folder / file.name).unlink(missing_ok=True)
            folder.rmdir()
        raise
    return tuple(folder / file.name for file in files)
