"""A simulation of one engine that knows no queueing formula; `python tests/oracle/simulate_engine.py` writes
heavy_steps.json, in some seconds.

Rules: arrivals wait for the running iteration to end; decodes first; prompts first come first served in chunks of what
the budget leaves; the last chunk gives the first token. An iteration of n tokens, c context tokens and p pairs takes
t0 + max(tw, a n) + d c + p p seconds.
"""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numba
import numpy as np

HEAVY = {"t0": 0.02, "a": 1e-5, "d": 2e-9, "p": 2e-10}
"""Twice as much that is paid once, and half as much for each token, as the steps of serving.json."""

KINKED = {"t0": 0.002, "tw": 0.005, "a": 2e-5, "d": 5e-8, "p": 1e-10}
"""Steps of which the weights bind until there are 250 tokens."""

REQUESTS, LOOPED, SEEDS, WARM = 60_000, 12_000, (1, 2, 3), 0.3

WORKLOADS: tuple[tuple[str, dict[str, Any], tuple[float, ...]], ...] = (
    ("mixed.open", {"S": 1000, "O": 200}, (0.3, 0.5, 0.7)),
    ("mixed.open", {"S": 4000, "O": 100}, (0.3, 0.5, 0.7, 0.85)),
    ("mixed.open", {"S": 16000, "O": 300}, (0.3, 0.7)),
    ("mixed.budget", {"S": 1000, "O": 200, "T": 2048}, (0.2, 0.3, 0.4)),
    ("mixed.budget", {"S": 2000, "O": 200, "T": 2048}, (0.3, 0.4)),
    ("mixed.budget", {"S": 4000, "O": 500, "T": 8192}, (0.3, 0.5, 0.7)),
    ("mixed.budget", {"S": 16000, "O": 300, "T": 4096}, (0.3, 0.5)),
    ("mixed.prefix", {"S": 4000, "O": 300, "hit": 0.9}, (0.5, 0.7)),
    ("mixed.spec", {"S": 2000, "O": 300, "k": 2, "alpha": 0.9}, (0.3, 0.5, 0.7)),
    ("exclusive", {"S": 2000, "O": 300, "mode": "exclusive"}, (0.3, 0.5, 0.6, 0.7)),
    ("exclusive", {"S": 4000, "O": 300, "mode": "exclusive"}, (0.3, 0.5, 0.7)),
)
"""Group, workload, loads: of mean values, tokens once each."""

CHUNKED: tuple[tuple[dict[str, Any], tuple[float, ...]], ...] = (
    ({"S": 2000, "O": 200, "T": 512}, (0.2, 0.4, 0.6)),
    ({"S": 8000, "O": 500, "T": 1024}, (0.2, 0.4, 0.6)),
    ({"S": 8000, "O": 100, "T": 512}, (0.2, 0.4, 0.6)),
    ({"S": 32000, "O": 200, "T": 2048}, (0.2, 0.4, 0.6)),
    ({"S": 4000, "O": 100, "T": 8192}, (0.3, 0.6, 0.75)),
    ({"S": 9000, "O": 100, "T": 8192}, (0.3, 0.6, 0.75)),
    ({"S": 500, "O": 20, "T": 8192}, (0.3, 0.6, 0.75)),
    ({"S": 2000, "O": 200, "T": 8192}, (0.3, 0.6, 0.75)),
)
"""Workload with a budget of steps whose weights bind for decodes, loads likewise."""

LOOPS: tuple[tuple[dict[str, Any], tuple[int, ...]], ...] = (
    ({"S": 2000, "O": ["geo", 100], "T": 512}, (1, 4, 8, 16, 24, 32, 64)),
    ({"S": 8000, "O": ["geo", 200], "T": 512}, (1, 4, 8, 16, 32)),
    ({"S": 8000, "O": ["geo", 500], "T": 1024}, (1, 8, 16, 32, 48, 64)),
    ({"S": 32000, "O": ["geo", 100], "T": 2048}, (1, 2, 4, 8, 16)),
    ({"S": 500, "O": ["geo", 50], "T": 512}, (1, 8, 12, 16, 32, 64)),
    ({"S": 1000, "O": ["geo", 200], "T": 2048}, (1, 32, 64, 128, 192)),
    ({"S": 2100, "O": ["geo", 200], "T": 2048}, (1, 16, 64, 128)),
    ({"S": 4000, "O": ["geo", 300], "T": 2048}, (4, 32, 100, 140, 200)),
    ({"S": 12000, "O": ["geo", 150], "T": 8192}, (4, 16, 64, 100, 160)),
    ({"S": 20000, "O": ["geo", 400], "T": 4096}, (8, 32, 64, 80, 128)),
    ({"S": 1000, "O": ["geo", 1000], "T": 8192}, (64, 256, 1024)),
    ({"S": 700, "O": ["geo", 100], "T": 256}, (8, 24, 32, 48)),
    ({"S": 8000, "O": ["geo", 200], "T": 512}, (128, 512)),
)
"""Workload with a budget, clients. The last six were simulated after closed_ttft.in-turn had been written."""


@numba.njit
def _step(n, context, pairs, step):
    t0, tw, a, d, p = step
    return t0 + max(tw, a * n) + d * context + p * pairs


@numba.njit
def simulated(arrivals, prompts, answers, hits, step, budget, exclusive, drafts, acceptance, seed):
    """Times of the first and of the last token of each request."""
    np.random.seed(seed)
    count, queries = len(arrivals), drafts + 1
    first, last = np.zeros(count), np.zeros(count)
    done = hits.copy()
    rows, tokens, running = np.zeros(count, np.int64), np.zeros(count, np.int64), 0
    head = tail = finished = 0
    now = 0.0
    while finished < count:
        if running == 0 and head == tail and tail < count:
            now = max(now, arrivals[tail])
        while tail < count and arrivals[tail] <= now:
            tail += 1
        decodes = not (exclusive and head < tail)
        n = running * queries if decodes else 0
        context = 0.0
        for i in range(running if decodes else 0):
            context += prompts[rows[i]] + tokens[i]
        left, pairs, ready = budget - n, 0.0, head
        while ready < tail and left > 0:
            chunk = min(prompts[ready] - done[ready], left)
            pairs += chunk * done[ready] + chunk * (chunk + 1) / 2
            done[ready] += chunk
            n, left = n + chunk, left - chunk
            if done[ready] < prompts[ready]:
                break
            ready += 1
        now += _step(n, context, pairs, step)
        if decodes:
            kept = 0
            for i in range(running):
                accepted = 1
                while accepted <= drafts and np.random.random() < acceptance:
                    accepted += 1
                tokens[i] += accepted
                if tokens[i] >= answers[rows[i]]:
                    last[rows[i]] = now
                    finished += 1
                else:
                    rows[kept], tokens[kept] = rows[i], tokens[i]
                    kept += 1
            running = kept
        for request in range(head, ready):
            first[request] = now
            rows[running], tokens[running] = request, 1
            running += 1
        head = ready
    return first, last


@numba.njit
def looped(clients, prompt, answer, step, budget, seed):
    """Requests per second, the mean time to first token, that between tokens, and p50, p90, p99 of that to the first,
    of clients that always wait for their answer, whose length is geometric. They begin with part of one."""
    np.random.seed(seed)
    began, first, done = np.zeros(clients), np.zeros(clients), np.full(clients, prompt)
    length, tokens = np.random.randint(2, answer + 1, clients), np.ones(clients, np.int64)
    queue, waiting = np.zeros(clients, np.int64), 0
    now = begin = between = 0.0
    to_first = [0.0]
    answers = counted = 0
    while answers < LOOPED:
        if answers < WARM * LOOPED:
            begin, to_first, between, counted = now, [0.0], 0.0, answers
        decodes = tokens > 0
        n, context = decodes.sum(), (prompt * decodes + tokens * decodes).sum()
        left, pairs, ready = budget - n, 0.0, 0
        while ready < waiting and left > 0:
            one = queue[ready]
            chunk = min(prompt - done[one], left)
            pairs += chunk * done[one] + chunk * (chunk + 1) / 2
            done[one] += chunk
            n, left = n + chunk, left - chunk
            if done[one] < prompt:
                break
            ready += 1
        now += _step(n, context, pairs, step)
        for place in range(ready):
            one = queue[place]
            first[one], length[one] = now, 1 + np.random.geometric(1 / (answer - 1))
            to_first.append(now - began[one])
        queue[: waiting - ready] = queue[ready:waiting].copy()
        waiting -= ready
        for one in range(clients):
            tokens[one] += decodes[one]
            if decodes[one] and tokens[one] == length[one]:
                between += (now - first[one]) / (answer - 1)
                answers, tokens[one], done[one], began[one] = answers + 1, 0, 0, now
                queue[waiting] = one
                waiting += 1
            elif not decodes[one] and done[one] == prompt:
                tokens[one] = 1
    counted = answers - counted
    seen = np.array(to_first[1:])
    p50, p90, p99 = np.quantile(seen, 0.5), np.quantile(seen, 0.9), np.quantile(seen, 0.99)
    return counted / (now - begin), seen.mean(), between / counted, p50, p90, p99


def rate_at(load: float, work: dict[str, Any], step: dict[str, float]) -> float:
    """Requests a second of a load of mean values: a prompt's work and that of its decode steps, what is paid once left
    out."""
    prompt, answer, hit = work["S"], work["O"], work.get("hit", 0)
    drafts, acceptance = work.get("k", 0), work.get("alpha", 0)
    accepted = sum(acceptance**i for i in range(drafts + 1))
    own = step["a"] * prompt * (1 - hit) + step["p"] * prompt**2 * (1 - hit**2) / 2
    return load / (own + (answer - 1) / accepted * ((drafts + 1) * step["a"] + step["d"] * (prompt + answer / 2)))


def result(case: dict[str, Any]) -> dict[str, list[float]]:
    """Name -> mean over seeds, and its standard error."""
    means: dict[str, list[float]] = {"ttft_mean": [], "tpot_tokens_mean": []}
    step = tuple(case["step"].get(name, 0.0) for name in ("t0", "tw", "a", "d", "p"))
    for seed in SEEDS:
        arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / case["lam"], REQUESTS))
        prompts, answers = (np.full(REQUESTS, case[name], np.int64) for name in ("S", "O"))
        hits = np.full(REQUESTS, int(case.get("hit", 0) * case["S"]), np.int64)
        drafts = (case.get("k", 0), case.get("alpha", 0.0))
        limits = (case.get("T", 10**12), case.get("mode") == "exclusive")
        first, last = simulated(arrivals, prompts, answers, hits, step, *limits, *drafts, seed)
        kept = slice(int(WARM * REQUESTS), None)
        means["ttft_mean"].append((first - arrivals)[kept].mean())
        means["tpot_tokens_mean"].append((last - first)[kept].mean() / (case["O"] - 1))
    root = math.sqrt(len(SEEDS))
    return {name: [float(np.mean(found)), float(np.std(found, ddof=1)) / root] for name, found in means.items()}


def loop_result(case: dict[str, Any]) -> dict[str, list[float]]:
    """Name -> mean over seeds, and its standard error."""
    step = tuple(case["step"].get(name, 0.0) for name in ("t0", "tw", "a", "d", "p"))
    found = [looped(case["N"], case["S"], case["O"][1], step, case["T"], seed) for seed in SEEDS]
    names = ("rate", "ttft_mean", "tpot_tokens_mean", "ttft_p50", "ttft_p90", "ttft_p99")
    errors = np.std(found, axis=0, ddof=1) / math.sqrt(len(SEEDS))
    return {
        name: [float(mean), float(error)]
        for name, mean, error in zip(names, np.mean(found, axis=0), errors, strict=True)
    }


def main() -> None:
    cases: list[dict[str, Any]] = []
    for work, counts in LOOPS:
        for step, clients in itertools.product((HEAVY, KINKED), counts):
            case = {"kind": "closed", "step": step, "N": clients, **work}
            cases.append({"group": "budget.closed", "load": None, "case": case, "result": loop_result(case)})
    mixed = [(group, work, loads, HEAVY) for group, work, loads in WORKLOADS]
    mixed += [("budget.chunks", work, loads, KINKED) for work, loads in CHUNKED]
    for group, work, loads, step in mixed:
        for load in loads:
            case = {"kind": "engine", "step": step, "lam": rate_at(load, work, step), **work}
            cases.append({"group": group, "load": load, "case": case, "result": result(case)})
    about = "One engine with steps of which much is paid once, by simulate_engine.py beside; fields as in serving.json"
    rows = ",\n".join(json.dumps(case) for case in cases)
    path = Path(__file__).with_name("heavy_steps.json")
    path.write_text(f'{{"about": {json.dumps(about)}, "cases": [\n{rows}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
