r"""Formulas of a section in full -> LaTeX that `symsim verify` reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Symbol

from symsim.notation.latex_article import longer_prompts, numbered_latex
from symsim.publication.kernel_functions import KernelFunction
from symsim.publication.section import Section

TITLES = {
    "tpot": "Time per output token",
    "tps_user": "Tokens per second of one user",
    "tgs_decode": "Tokens per GPU and second, decode",
    "ttft": "Time to first token",
    "tgs_prefill": "Tokens per GPU and second, prefill",
    "memory": "Memory",
    "max_batch": "Largest batch",
}


AFTER = {"tps_user": "tpot", "tgs_decode": "tpot", "tgs_prefill": "ttft", "max_batch": "memory"}
"""Metrics that go on from another one's steps."""


def formulas_section(section: Section) -> str:
    """Each metric, without the steps that stand there already."""
    parts = ["\\section{Formulas}\\label{sec:formulas}"]
    for name in (name for name in TITLES if name in section.sheets):
        layout, kernels = section.kernels[name].layout, section.kernels[name].functions
        before = AFTER.get(name) if AFTER.get(name) in section.sheets else None
        above = set[Symbol]() if before is None else {step.symbol for step in section.sheets[before].steps}
        new = tuple(step for step in layout.steps if step.symbol not in above)
        earlier = "" if before is None else f", with the steps of Eq.~(\\ref{{eq:{before}}})"
        if name == "ttft":
            earlier = "; steps of the prefill phase bear the names that they have in the decode phase"
        meaning = f"{layout.derivation.meaning[0].upper()}{layout.derivation.meaning[1:]}"
        unit = layout.derivation.result.unit
        stated = f" [{unit}]" if unit != "1" else ""
        parts.append(f"\\subsection{{{TITLES[name]}}}\n{meaning}{stated}{earlier}{_of_kernels(kernels, before)}:")
        defined = [] if before else [(one.left, one.body) for one in kernels]
        parts.append(numbered_latex(replace(layout, steps=new), f"eq:{name.replace('_', '-')}", defined))
        parts += [longer_prompts(layout)] if layout.cut is not None else []
    return "\n".join(parts)


def _of_kernels(kernels: Sequence[KernelFunction], before: str | None) -> str:
    """What functions of kernels are, where a metric has any."""
    if not kernels or before:
        return ""
    return (
        "; $\\tau$ is the time of a kernel alone, of the seconds that its FLOPs (comp), bytes (mem) and messages (link)"
        " take at the rates of the datasheet, and of its sizes, as the display below defines it"
    )
