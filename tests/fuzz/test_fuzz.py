"""Text that somebody spoilt: whatever is read from a user is answered or refused in a sentence, and soon.

Mutations are drawn from a seed, so a failure comes again; its message holds the text that did it.
"""

import itertools
import json
import random
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import symsim
from symsim import SymsimError
from symsim.calibration.runs import read_runs
from symsim.errors import InternalError
from symsim.paths import CONFIGS, ENGINES, GRAPHS, HARDWARE
from tests.profiles import FULL

DRAWN = 2000 if FULL else 60
"""Texts of each kind."""

SECONDS = 20
"""Longest that one text may take, on a busy machine: a hang, not a slow answer, is looked for."""

WORDS = (
    *(
        "0",
        "-1",
        "1",
        "3",
        "1e9",
        "1e400",
        "9" * 5000,
        "0.5",
        "nan",
        "null",
        "true",
        "[]",
        "{}",
        '""',
        '"x"',
        "\x00",
        "é",
    ),
    *("(", ")", "{", "}", "[", "]", "=", "<=", ">=", "*", "/", "^", "_", "-", "+", ",", ";", ":", "\n", "\n    ", '"'),
    *("B", "S", "O", "T", "C", "TPOT", "memory", "capacity", "ms", "GB", "when", "else", "let", "subject to", "with"),
    *(r"\frac{1}{2}", r"\max(", r"\lfloor", r"\begin{cases}", r"\\", "&", "0^0", "/0", "**", "(" * 300, "{" * 300),
)


@contextmanager
def soon(text: str) -> Generator[None]:
    """Fail where the block takes longer than a user would wait."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"more than {SECONDS} s for {text!r}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def spoilt(text: str, draw: random.Random) -> str:
    """A text with one to three places changed: a piece left out, said twice, moved, or another word put in."""
    for _ in range(draw.randint(1, 3)):
        low = draw.randint(0, len(text))
        high = min(len(text), low + draw.choice((0, 1, 1, 3, 8, 30)))
        match draw.randint(0, 3):
            case 0:
                text = text[:low] + text[high:]
            case 1:
                text = text[:high] + text[low:]
            case 2:
                text = text[:low] + draw.choice(WORDS) + text[high:]
            case _:
                text = text[:low] + draw.choice(WORDS) + text[low:]
    return text


def answered_or_refused(ask: Callable[[str], object], text: str) -> bool:
    """Whether a text is answered; a mistake of the user's is refused, anything else fails with the text."""
    try:
        with soon(text):
            ask(text)
    except InternalError as error:
        raise AssertionError(f"blamed on symsim: {error}\nfor {text!r}") from error
    except SymsimError as error:
        if str(error).strip():
            return False
        raise AssertionError(f"no sentence for {text!r}") from error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}\nfor {text!r}") from error
    return True


COSTS = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
POINT = {"B": 8, "S": 1024, "O": 64}


def ask_all(texts: list[str], ask: Callable[[str], object], seed: str, count: int = DRAWN) -> None:
    """Ask about texts, which are answered, and about spoilt ones, of which some must be refused."""
    assert all(answered_or_refused(ask, text) for text in texts)
    draw = random.Random(seed)
    answers = [answered_or_refused(ask, spoilt(draw.choice(texts), draw)) for _ in range(count)]
    assert not all(answers)


def test_questions() -> None:
    texts = [
        "max B subject to TPOT <= 50 ms with S = 4096, O = 2048",
        "max B subject to TPOT <= 20 ms, memory <= 0.9*capacity",
        "min hbm_bandwidth subject to TPOT <= 10 ms with B = 8, C = 4096",
        "solve TPOT = 30 ms for B",
        "min tp subject to memory <= capacity with B = 8",
    ]
    ask_all(texts, COSTS.solve, "questions")


def test_latex() -> None:
    texts = [
        COSTS.tpot.to_latex("symbolic"),
        r"\mathrm{TPOT} = 36\,t_{\mathrm{layer}} + t_{\mathrm{embedding}} + t_{\mathrm{logits}}",
        r"C = S + \left\lfloor \frac{O}{2} \right\rfloor",
        r"t_{layer} = \begin{cases} x & x \ge y \\ y & \text{otherwise} \end{cases} \\"
        r" x = t_{attention} \\ y = t_{ffn}",
        r"t_{core} = \max\left(\frac{16\,384\,B\,C}{P_{bf16}\,\mu_{GQA}(32, 8, 128, B, C)},\; 5\,\mathrm{ms}\right)",
    ]
    ask_all(texts, lambda text: symsim.verify(text, COSTS), "latex")


def _configs() -> list[str]:
    names = ("qwen3-8b", "deepseek-v3", "qwen3-next-80b-a3b")
    return [(CONFIGS / f"{name}.json").read_text(encoding="utf-8") for name in names]


def _evaluated(costs: symsim.Costs) -> None:
    for formula in (costs.tpot, costs.memory, costs.max_batch):
        formula.evaluate(**{name: value for name, value in POINT.items() if name in formula.symbols})


@pytest.mark.parametrize("cost_model", ["roofline", "infersim"])
def test_configs(cost_model: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"

    def compiled(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        _evaluated(symsim.compile(path, "h20", cost_model=cost_model))

    ask_all(_configs(), compiled, f"configs of {cost_model}")


def test_devices(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"

    def compiled(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        _evaluated(symsim.compile("qwen3-8b", path, cost_model="roofline"))

    texts = [(HARDWARE / f"{name}.toml").read_text(encoding="utf-8") for name in ("h20", "b200")]
    ask_all(texts, compiled, "devices")


def test_engines(tmp_path: Path) -> None:
    path = tmp_path / "engine.toml"

    def compiled(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        _evaluated(symsim.compile("qwen3-8b", "h100", engine=path))

    texts = [(ENGINES / f"{name}.toml").read_text(encoding="utf-8") for name in ("vllm", "sglang")]
    ask_all(texts, compiled, "engines", DRAWN // 3)


RUNS = """isl,osl,concurrency,tpot_s
1024,1024,1,0.010
1024,1024,16,0.014
"""
"""As a user keeps them."""


def test_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"

    def read(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        assert all(figure > 0 for run in read_runs(path) for figure in (*run.load.values(), *run.measured.values()))

    ask_all([RUNS], read, "runs", 5 * DRAWN)
    for measured in ("-0.01", "nan", "inf", "1e400", "", "0"):
        assert not answered_or_refused(read, RUNS.replace("0.014", measured)), measured


def test_graphs(tmp_path: Path) -> None:
    """A folder of one's own with a family for a model that exists."""
    number = itertools.count()
    family = """model mine for MineForCausalLM, mine:
    config:
        D = hidden_size
        L = num_hidden_layers
        V = vocab_size
        H = num_attention_heads
        G = num_key_value_heads else H
        d = head_dim else floor(D/H)
        F = intermediate_size
    embedding = embedding(input; D, V)
    x = embedding
    layers L as i:
        attention = gqa(x; D, H, G, d)
        ffn       = dense_ffn(attention; D, F)
        x = ffn
    logits = logits(x; D, V)
"""
    kernel = (GRAPHS / "common" / "communication.graph").read_text(encoding="utf-8").replace("kernel ", "kernel my_")
    config = {
        "architectures": ["MineForCausalLM"],
        "model_type": "mine",
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "vocab_size": 1000,
        "num_attention_heads": 4,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))

    def compiled(text: str) -> None:
        folder = tmp_path / str(next(number))  # graphs of a folder are read once
        folder.mkdir()
        (folder / "mine.graph").write_text(text, encoding="utf-8")
        _evaluated(symsim.compile(tmp_path / "config.json", "h20", cost_model="roofline", graphs=[folder]))

    ask_all([family, family + kernel], compiled, "graphs", DRAWN // 4)
