"""Libraries that only some of the work needs: imported when asked for; an error names the extra of an absent one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from symsim.errors import SymsimError


def load_extra(module: str, extra: str, purpose: str) -> Any:
    """A module of an extra of this package.

    Raises SymsimError that says what wants it (`purpose`, with its verb) and how to install it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise SymsimError(f"{purpose} {module.partition('.')[0]}: pip install 'symsim-llm[{extra}]'") from None
