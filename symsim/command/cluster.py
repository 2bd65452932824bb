"""--dask: where a command's work is done."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from symsim.errors import SymsimError
from symsim.inputs.extras import load_extra


def add_dask(ask: Any) -> None:
    ask.add_argument("--dask", metavar="ADDRESS", help="compute on a Dask cluster (`local` starts one here)")


@contextmanager
def executor_of(dask: str | None) -> Generator[Executor | None]:
    """None for this process; else the workers of a Dask cluster, `local` for one of this machine."""
    if dask is None:
        yield None
        return
    distributed = load_extra("distributed", "dask", "--dask needs")
    words = {"dashboard_address": None} if dask == "local" else {"address": dask, "timeout": "10s"}
    try:
        client = distributed.Client(**words)
    except (OSError, ValueError) as error:
        raise SymsimError(f"--dask {dask}: no Dask scheduler answers there ({error})") from None
    with client:
        yield client.get_executor()
