"""How much is drawn: SYMSIM_TESTS=full, which CI sets, draws every law in full and runs what is marked `slow`."""

import os

FULL = os.environ.get("SYMSIM_TESTS") == "full"


def drawn(in_full: int) -> int:
    """Examples of a law: so many in CI, three in ten in a plain run."""
    return in_full if FULL else max(in_full * 3 // 10, 1)
