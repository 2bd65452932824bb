"""Options that say what requests are served, of every command that asks about load."""

from __future__ import annotations

import argparse
from typing import Any

from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit

REQUESTS = (
    "isl", "osl", "rate", "concurrency", "prefix_hit", "acceptance", "price", "prefill", "decode", "budget", "drafts",
    "max_running",
)  # fmt: skip
"""What the options of `add_requests` are called where they are asked by keyword."""


def add_requests(ask: argparse.ArgumentParser, *, required: bool) -> None:
    """Lengths, load, and how prompts are served. required: whether lengths must be given."""
    requests = add_workload(ask, required=required)
    requests.add_argument("--concurrency", type=float, metavar="N", help="clients that always wait for their answer")
    add_rate(requests, "requests per second of all that is deployed")
    requests.add_argument("--prefill", metavar="'2 x tp=4'", help="prefill workers and the deployment of each")
    requests.add_argument("--decode", metavar="'6 x dp=8,ep=8'", help="decode workers and the deployment of each")


def add_rate(ask: Any, what: str) -> None:
    """--rate R."""
    ask.add_argument("--rate", type=_requests_per_second, metavar="R", help=what)


def _requests_per_second(text: str) -> float:
    """`4`, `4 req/s`."""
    try:
        return float(parse_quantity(text, "1/s"))
    except BadUnit:
        expected = "expected requests per second, as 4 (clients that always wait for an answer are --concurrency)"
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; {expected}") from None


def _share(text: str) -> float:
    """`0.5`, `50%`."""
    try:
        return float(parse_quantity(text, "1"))
    except BadUnit:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; expected e.g. 0.5 or 50%") from None


def add_together(ask: argparse.ArgumentParser) -> None:
    """How kernels' errors add up in intervals."""
    words = "correlation of kernels' errors in intervals; 1: their ends add up"
    ask.add_argument("--together", type=float, default=0.3, metavar="0.3", help=words)


def add_workload(ask: argparse.ArgumentParser, *, required: bool) -> Any:
    """What requests are, however many there are; the group of options."""
    requests = ask.add_argument_group("requests under load")
    requests.add_argument("--isl", required=required, metavar="N", help="input length: 4096, or lognormal(4096, 0.5)")
    requests.add_argument("--osl", required=required, metavar="N", help="output length, likewise")
    requests.add_argument("--budget", type=int, metavar="K", help="tokens of an iteration (max_num_batched_tokens)")
    requests.add_argument("--prefix-hit", type=_share, metavar="h", help="share of a prompt that is cached")
    requests.add_argument("--drafts", type=int, metavar="k", help="drafts per sequence and step")
    requests.add_argument(
        "--acceptance", metavar="a", help="0.8; by position 0.9,0.7; or 'length 2.4', tokens of a step"
    )
    requests.add_argument("--max-running", type=int, metavar="N", help="most sequences of an engine at once")
    requests.add_argument("--price", metavar="'2.5 $/h'", help="of a GPU")
    return requests
