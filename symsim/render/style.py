"""How pictures look: on a screen, or in a column of a paper (8 pt, 3.3 in). Drawn with matplotlib (extra `plot`)."""

from __future__ import annotations

import importlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from symsim.algebra.symbols import symbol_info
from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError
from symsim.inputs.extras import load_extra
from symsim.notation.colours import colours
from symsim.paths import replacing

COLUMN = 3.3
"""Inches of a column of a paper in two columns."""

_SHARED = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "pdf.fonttype": 42,  # whole fonts, not drawn letters (Type 3), which conferences refuse
    "ps.fonttype": 42,
    "svg.hashsalt": "symsim",
    "pgf.texsystem": "pdflatex",
    "pgf.rcfonts": False,
}
STYLES: dict[str, dict[str, Any]] = {
    "screen": {**_SHARED, "font.size": 10, "axes.titlesize": 11, "legend.fontsize": 9},
    "paper": {
        **_SHARED,
        **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 8),
        **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 7),
        "axes.linewidth": 0.6,
        "lines.linewidth": 1.0,
        "font.family": "serif",
        "mathtext.fontset": "stix",
        "font.serif": ["STIXGeneral", "DejaVu Serif"],
    },
}
"""Name -> settings of matplotlib."""


_CURVES = ("ink", "activations", "cache", "link", "compute", "memory")
CURVES = len(_CURVES)
"""Colours of curves of which each is another thing."""


@contextmanager
def styled(style: str) -> Generator[Any]:
    """matplotlib's pyplot, without a display, in a style for as long as this lasts.

    Raises SymsimError when matplotlib is not installed.
    """
    matplotlib = load_extra("matplotlib", "plot", "pictures need")
    matplotlib.use("Agg")
    curves = [colours()[name] for name in _CURVES]
    with matplotlib.rc_context({**STYLES[style], "axes.prop_cycle": f"cycler('color', {curves})"}):
        yield importlib.import_module("matplotlib.pyplot")


def size(style: str, height: float = 0.62, screen: float = 7.5) -> tuple[float, float]:
    """Width and height in inches; height: as a share of the width."""
    width = COLUMN if style == "paper" else screen
    return width, width * height


def save(figure: Any, file: str | Path, note: str = "") -> None:
    """Write a figure whole, in a PDF with a note of who made it; the ending chooses the format.

    Raises SymsimError for an ending that is no format.
    """
    check_picture(file)
    ending = Path(file).suffix.lstrip(".")
    about = {"metadata": {"Creator": note or "symsim", "CreationDate": None}} if ending == "pdf" else {}
    try:
        with replacing(file) as unfinished:
            figure.savefig(unfinished, format=ending, bbox_inches="tight", pad_inches=0.02, dpi=200, **about)
    finally:
        importlib.import_module("matplotlib.pyplot").close(figure)


def check_picture(file: str | Path) -> None:
    """Raise SymsimError unless pictures can be drawn as the file's ending says, and its folder is there."""
    load_extra("matplotlib", "plot", "pictures need").use("Agg")
    ending = Path(file).suffix.lstrip(".")
    if ending not in importlib.import_module("matplotlib.backend_bases").FigureCanvasBase.get_supported_filetypes():
        raise SymsimError(f"{file}: cannot draw a picture as {ending or 'a file without an ending'!r}; e.g. tpot.pdf")
    if not Path(file).absolute().parent.is_dir():
        raise SymsimError(f"{file}: there is no folder {Path(file).parent}")


def title_of(subject: str) -> str:
    """A subject in words, without the path of its config or what few ask for; a dollar sign begins no formula.

    >>> title_of("configs/qwen3-8b.json, NVIDIA H20, gemm fp8, infersim cost model, tables 2026-05")
    'qwen3-8b on NVIDIA H20, gemm fp8, infersim'
    """
    config, *others = subject.split(", ")
    path = Path(config)
    model = path.parent.name if path.name == "config.json" and path.parent.name else path.name.removesuffix(".json")
    told = [_said(part) for part in others if not part.startswith("tables ")]
    return literal_text(f"{model} on {', '.join(told)}" if len(told) > 1 else ", ".join([model, *told]))


def _said(part: str) -> str:
    """A part of a subject as people say it.

    >>> _said("world_size 4"), _said("engine vllm"), _said("gemm checkpoint"), _said("tp 4")
    ('4 GPUs', 'vllm', 'weights as stored', 'tp 4')
    """
    match part.split(" "):
        case ["world_size", count]:
            return f"{count} GPUs"
        case ["num_nodes", count]:
            return f"{count} nodes"
        case ["engine", name]:
            return name
        case ["gemm", "checkpoint"]:
            return "weights as stored"
        case ["kv", "checkpoint"]:
            return "KV cache as stored"
        case _:
            return part.removesuffix(" cost model")


def told_apart(one: str, other: str) -> tuple[str, str, str]:
    """What two subjects share, in words, and what each has of its own."""
    parts = [title_of(subject).split(", ") for subject in (one, other)]
    parts = [[*head.split(" on ", 1), *rest] for head, *rest in parts]
    shared = [part for part in parts[0] if part in parts[1]]
    own = [", ".join(part for part in side if part not in shared) for side in parts]
    return ", ".join(shared), own[0] or "A", own[1] or "B"


def literal_text(text: str) -> str:
    """Text of a file in a picture: a dollar sign in it begins no formula, and a label that it begins is not hidden."""
    return f" {text}".replace("$", "\\$") if text.startswith("_") else text.replace("$", "\\$")


def axis_name(name: str) -> str:
    """What a symbol is, beside an axis: its letter and, where they are few, the words for it.

    >>> axis_name("S"), axis_name("hbm_bandwidth")
    ('input length $S$ [tokens]', 'HBM bandwidth $W_{\\\\mathrm{HBM}}$ [B/s]')
    """
    info = symbol_info(name)
    words = info.meaning.partition(" (")[0]
    named = f"{words} ${info.latex}$" if len(words) <= _FEW else f"${info.latex}$"
    return named if info.unit == "1" else f"{named} [{info.unit}]"


_FEW = 56
"""Letters of words that stand beside an axis of a column."""


def set_title(axes: Any, subject: str, note: str) -> None:
    """The subject above a picture that is no part of a text, which has a caption of its own."""
    if not note:
        axes.set_title(title_of(subject), wrap=True, fontsize="medium")


def prefixed(value: float, unit: str) -> tuple[str, float]:
    """A unit with a prefix that fits a value, and its factor."""
    number, _, written = format_quantity(value, unit, 12).partition(" ")
    return written or unit, value / float(number)


FAR = 30.0
"""Values whose ratio is larger stand on a logarithmic axis."""


def scale(axes: Any, letter: str, values: Sequence[float]) -> None:
    """A logarithmic axis (letter: x or y) where values are far apart, with plain numbers on it."""
    low, high = min(values), max(values)
    if low > 0 and high / low > FAR:
        getattr(axes, f"set_{letter}scale")("log")
        getattr(axes, f"{letter}axis").set_major_formatter(lambda x, _: f"{x:g}")
