"""One kernel by itself: its time and the FLOP/s it achieves, as Formulas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from symsim.algebra.shown import html_table, one_line
from symsim.api.formula import Formula
from symsim.inputs.cost_model import DEFAULT, LATEST
from symsim.inputs.deployment import Deployment
from symsim.language.tree import Kernel
from symsim.pipeline.kernel_costs import kernel_forms


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class KernelCosts:
    """time: seconds of one execution on one GPU; achieved: FLOP/s, None for a kernel that only moves bytes; notes: what
    to know of the measured kernel that stands in for it."""

    kernel: Kernel
    time: Formula
    achieved: Formula | None
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return one_line(self, f"{self.kernel.name}, {self.time.subject}")

    def _repr_html_(self) -> str:
        formulas = (self.time,) if self.achieved is None else (self.time, self.achieved)
        return html_table(self.time.subject, {f"{one.name} [{one.unit}]": one.expr for one in formulas})


def kernel(
    name: str,
    device: str | Path,
    sizes: Mapping[str, int],
    deployment: Deployment | None = None,
    cost_model: str = DEFAULT,
    phase: str = "decode",
    tables: str = LATEST,
    *,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
) -> KernelCosts:
    """Price one kernel. sizes: its parameters; workload symbols (B, S, T, C) stay free; graphs: folders
    with graph files of more kernels.

    Raises SymsimError for an unknown kernel, or a size it does not have.

    >>> sizes = dict(h=128, q=1, r=512, dr=64, topk=2048)
    >>> found = kernel("sparse_mla_fp8", "h800", sizes, cost_model="roofline")
    >>> f"{found.time.evaluate(B=128) * 1e6:.0f} µs, {found.achieved.evaluate(B=128) / 1e12:.0f} TFLOP/s"
    '124 µs, 591 TFLOP/s'
    """
    found, forms, notes = kernel_forms(
        name, device, sizes, deployment or Deployment(), cost_model, phase, tables, graphs=graphs, fallback=fallback
    )
    achieved = Formula(forms["achieved"]) if "achieved" in forms else None
    return KernelCosts(found, Formula(forms["time"]), achieved, notes)
