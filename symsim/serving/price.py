"""What the GPUs of a deployment cost by the second."""

from __future__ import annotations

from collections.abc import Sequence

from symsim.serving.aggregated import Deployed
from symsim.serving.power import Range


def rent_of(sides: Sequence[tuple[int, Deployed]], stated: float | None) -> Range | None:
    """$/s of a GPU, on average over all sides, and its range: as stated, or as device files assume; None where one
    does not."""
    if stated is not None:
        return stated, stated, stated
    total, sums = sum(gpus for gpus, _ in sides), [0.0, 0.0, 0.0]
    for gpus, of in sides:
        price = of.compiled.device.price
        if price is None:
            return None
        sums = [have + gpus * float(one) for have, one in zip(sums, (price.rent, price.low, price.high), strict=True)]
    return sums[0] / total, sums[1] / total, sums[2] / total
