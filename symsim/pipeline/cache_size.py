"""KV cache and state of one sequence of a model by itself: one copy, unsharded, no device. Bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy
from sympy import Expr

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import substitute
from symsim.cost.memory import resident, windowed
from symsim.cost.memory_steps import cache_derivation
from symsim.formula.binding import bind_model
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.cost_model import COUNTING, named_cost_model
from symsim.inputs.deployment import Deployment
from symsim.model.family import Family
from symsim.model.stored_formats import serve
from symsim.pipeline.compilations import phase_of
from symsim.pipeline.counts import family_given, whole_number
from symsim.quantization.kv_cache import PARTS as KV_PARTS
from symsim.quantization.kv_cache import kv_layout as layout_of
from symsim.tables.table import TableContext


@dataclass(frozen=True, slots=True)
class Cache:
    """KV cache and state of one sequence, bytes, all layers.

    per_token: what one token takes while no window is full; windows: window in tokens -> the part of it that such
    layers take, and take no more past their window; state: what a sequence holds whatever its length; form: of a
    sequence of S + O tokens; kv: the format of the cache; layout: of its rows, where they are stored in parts.
    Figures are whole numbers but where a token holds a part of an entry.
    """

    per_token: float
    windows: Mapping[int, float]
    state: int
    form: ClosedForm
    kv: str
    layout: str | None = None

    def __repr__(self) -> str:
        return one_line(self, f"{self.per_token:,} B of a token, {self.state:,} B of state, of {self.form.subject}")

    def _repr_html_(self) -> str:
        return html_table(f"{self.form.subject}, bytes", self.as_dict())

    def per_request(self, **lengths: int) -> int:
        """Bytes of one sequence of S input and O output tokens."""
        return int(self.form.evaluate(**{name: n for name, n in lengths.items() if name in self.form.symbols}))

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain JSON types."""
        windows = [{"tokens": tokens, "per_token": count} for tokens, count in self.windows.items()]
        return {
            "per_token": self.per_token,
            "windows": windows,
            "state": self.state,
            "kv": self.kv,
            "layout": self.layout,
        }


def cache(
    model: str | Path | Family,
    *,
    kv: str | None = None,
    kv_layout: str | None = None,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
) -> Cache:
    """KV cache and state of one sequence. kv: bf16, fp8, int8, ..., or (None) the format that the checkpoint gives it;
    kv_layout: of rows that are stored in parts, the default of the format unless given.

    >>> cache("deepseek-v3").per_token
    70272
    """
    family = family_given(model, graphs, fallback)
    deployment = Deployment(num_nodes=1, gemm="bf16", kv=kv, kv_layout=kv_layout)  # pyright: ignore[reportArgumentType]  (checked by Deployment)
    served = serve(family, deployment, named_cost_model(COUNTING))
    bound = bind_model(family.sizes, served.deployment, served.stored)
    phased, values = phase_of(served, "decode", bound), bound.symbols()
    held = str(served.deployment.kv) if served.kv is None else served.kv.name
    subject = f"{family.config.path}, KV cache {held}" + (
        f" as {served.origin} says" if held != "bf16" and kv is None else ""
    )
    form = ClosedForm(
        cache_derivation(phased), bound, TableContext(device="", vintage="", kv=held, cost_model=COUNTING), subject
    )
    windows = {whole_number(window, values): _number(size, values) for window, size in windowed(phased.graph).items()}
    total = _number(sympy.Add(resident(phased.graph, "cache"), *windowed(phased.graph).values()), values)
    in_parts = {f"b_{part}" for part in KV_PARTS} & set(form.symbols)
    layout = layout_of(served.deployment.kv_layout, held).name if in_parts else None
    return Cache(total, windows, whole_number(resident(phased.graph, "state"), values), form, held, layout)


def _number(amount: Expr, values: Mapping[Any, Expr]) -> float:
    """A whole number where it is one."""
    number = substitute(amount, values)
    return int(number) if number.is_Integer else float(number)
