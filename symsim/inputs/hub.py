"""Ids that are not bundled: the config.json of a model in the local Hugging Face cache, or on the hub."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from symsim.errors import ConfigError

FILES = ("config.json", "hf_quant_config.json")
"""What is read of a repository; the second where there is one."""

_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WAIT = 5.0
"""Seconds to wait for the hub's answer."""


def from_hub(id: str, why: str) -> Path:
    """The config.json of `vendor/model`: from the local cache, else from the hub where the extra `hub` is installed.

    why: the sentence that says that the id is not bundled. Raises ConfigError with it and with what to do.
    """
    if not _ID.fullmatch(id):
        raise ConfigError(f"{why}; give a bundled name, `vendor/model`, or a path to a config.json")
    return cached(id, os.environ) or _downloaded(id, why)


def cached(id: str, environment: Mapping[str, str]) -> Path | None:
    """The newest config.json of the id in the cache that transformers and engines share, or None.

    Layout: HF_HUB_CACHE, or HF_HOME/hub, holds models--VENDOR--MODEL/snapshots/REVISION/FILE; refs/main names one.
    """
    home = Path(environment.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    folder = Path(environment.get("HF_HUB_CACHE") or home / "hub") / f"models--{id.replace('/', '--')}"
    head = folder / "refs" / "main"
    if head.is_file():
        path = folder / "snapshots" / head.read_text(encoding="utf-8").strip() / FILES[0]
        if path.is_file():
            return path
    found = sorted(folder.glob(f"snapshots/*/{FILES[0]}"), key=lambda path: path.stat().st_mtime_ns)
    return found[-1] if found else None


def _downloaded(id: str, why: str) -> Path:
    try:
        from huggingface_hub import constants, hf_hub_download  # pyright: ignore[reportMissingImports]
    except ImportError:
        hint = "`pip install 'symsim-llm[hub]'` reads other ids from Hugging Face and its local cache"
        raise ConfigError(f"{why}; {hint}; or give the path of its config.json") from None
    config: Path | None = None
    try:
        _knock(constants.ENDPOINT)
    except OSError as error:
        raise ConfigError(
            f"{why}; Hugging Face cannot be reached ({error}); give the path of its config.json"
        ) from None
    for name in FILES:
        try:
            path = Path(hf_hub_download(id, name, etag_timeout=_WAIT))
        except Exception as error:  # a library of many errors: no network, no such repository, no right to read it
            if name == FILES[0]:
                said = str(error).strip().splitlines()
                reason = said[0] if said else type(error).__name__
                raise ConfigError(f"{why}; Hugging Face does not give its config.json either: {reason}") from None
            continue
        config = config or path
    assert config is not None
    return config


def _knock(endpoint: str) -> None:
    """Raise OSError where the hub cannot be reached: the library would try for half a minute. A proxy is left to it."""
    place, behind_proxy = urlsplit(endpoint), {"HTTPS_PROXY", "ALL_PROXY"} & {name.upper() for name in os.environ}
    if place.hostname is not None and not behind_proxy:
        socket.create_connection((place.hostname, place.port or 443), timeout=_WAIT).close()
