"""symsim verify as a user runs it: on what symsim prints, on formulas of one's own, and on what cannot be read."""

import json
from pathlib import Path

import pytest

from tests.commands import run

SUBJECT = ("deepseek-v3", "--device", "h800", "--world-size", "128", "--num-nodes", "16", "--gemm", "fp8")
DEPLOYED = (*SUBJECT, "--comm", "deepep", "--overlap", "two-batch")
INFERSIM = ("--cost-model", "infersim")


@pytest.mark.parametrize(
    "extra", [INFERSIM, (*INFERSIM, "--level", "numeric", "--metric", "max-batch"), ("--cost-model", "roofline")]
)
def test_a_printed_file_says_what_it_is_about(tmp_path: Path, extra: tuple[str, ...]) -> None:
    printed = run("formula", *DEPLOYED, *extra, "--format", "latex")
    (tmp_path / "a.tex").write_text(printed.stdout)
    done = run("verify", "a.tex", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "equal" in done.stdout


@pytest.mark.parametrize("model", ["qwen3-8b", "deepseek-v3"])
def test_a_number_is_told_from_fitted_times(model: str) -> None:
    """Powers of fitted exponents are numbers of thousands of digits when they are multiplied out, and need not be."""
    device = ("--device", "h200", "--world-size", "8", "--tp", "8", "--cost-model", "calibrated")
    done = run("verify", "TPOT = 3", "--model", model, *device)
    assert (done.returncode, "TPOT at the point: yours is 3 s, derived " in done.stdout) == (1, True), done.stderr


def test_what_was_changed_is_named_with_its_line_and_value(tmp_path: Path) -> None:
    printed = run("formula", *DEPLOYED, *INFERSIM, "--format", "latex").stdout
    changed = printed.replace(" + t_{\\mathrm{experts}} +", " +").replace("58\\,720", "68\\,720")
    assert changed != printed
    (tmp_path / "a.tex").write_text(changed)
    done = run("verify", "a.tex", "--at", "B=64", folder=tmp_path)
    assert done.returncode == 1
    assert "missing term in t_layer (line 6): 2*t_experts (185.12 µs at the point)" in done.stdout
    assert "wrong coefficient in t_shared_up (line 19): you have 68720256*B/" in done.stdout
    document = json.loads(run("verify", "a.tex", "--json", folder=tmp_path).stdout)
    assert document["equal"] is False
    assert [one["kind"] for one in document["differences"]] == ["missing term", "wrong coefficient"]
    assert document["differences"][0]["value"] == pytest.approx(185.12e-6, rel=1e-4)


def test_a_formula_on_the_command_line() -> None:
    formula = r"\mathrm{TPOT} = 36 t_{layer} + 5\,\mathrm{ms}"
    assert run("verify", formula, "--model", "qwen3-8b", *INFERSIM).returncode == 0
    done = run("verify", formula.replace("36", "35"), "--model", "qwen3-8b", *INFERSIM)
    assert done.returncode == 1
    assert "you have 35*t_layer, derived is 36*t_layer" in done.stdout


def test_a_formula_of_a_load_needs_no_model() -> None:
    done = run("verify", r"\mu = \frac{1-\alpha^{\gamma+1}}{1-\alpha}")
    assert done.returncode == 0, done.stderr
    assert "of form steps.renewal" in done.stdout
    wrong = run("verify", r"W = \frac{\rho s}{1 - \rho}", "--form", "wait.m/d/1", "--at", "rate=2,s=0.25")
    assert wrong.returncode == 1
    assert "W at the point: yours is 250 ms, derived 125 ms: 100 % more" in wrong.stdout
    document = json.loads(run("verify", r"W = \rho s", "--form", "wait.m/d/1", "--json").stdout)
    assert document["equal"] is False


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("x = y",), "does not say which model it is about"),
        ((r"W = \rho", "--form", "wate"), "did you mean wait"),
        ((r"W = \rho", "--at", "loda=2"), "no form has a letter loda"),
        (("nothing.tex",), "cannot be read"),
        ((r"36 t_{layr}", "--model", "qwen3-8b", *INFERSIM), "did you mean"),
        ((r"\int{3}", "--model", "qwen3-8b", *INFERSIM), "is not read here"),
        (("36 t_{layer}", "--model", "qwen3-9b"), "no model"),
        (("36 t_{layer}", "--model", "qwen3-8b", "--at", "X=3"), "expected e.g."),
    ],
)
def test_what_cannot_be_read_is_bad_input(words: tuple[str, ...], sentence: str) -> None:
    done = run("verify", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_comment_that_is_no_command(tmp_path: Path) -> None:
    for comment in ("qwen3-8b --nonsense 3", "--metric tpot", "qwen3-8b --metric speed", 'qwen3-8b "'):
        (tmp_path / "a.tex").write_text(f"% symsim formula {comment}\n\\[ \\mathrm{{TPOT}} = 3 \\]\n")
        done = run("verify", "a.tex", folder=tmp_path)
        assert done.returncode == 2, comment
        assert "a.tex: the comment `symsim formula" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_wrong_value_of_a_symbol_is_named() -> None:
    formula = r"\mathrm{TPOT} = L t_{layer} + t_{sched} \\ L = 37 \\ B = 64"
    done = run("verify", formula, "--model", "qwen3-8b", *INFERSIM)
    assert done.returncode == 1
    assert "wrong value of L: you have 37, derived 36" in done.stdout
    assert "not compared: B\n" in done.stdout


def test_what_rounding_hides_is_told() -> None:
    formula = r"\mathrm{TPOT} = 36 t_{layer} + t_{sched} \\ W_{HBM} = 4.4\,\mathrm{TB/s}"
    done = run("verify", formula, "--model", "qwen3-8b", *INFERSIM)
    assert done.returncode == 0
    assert "rounded numbers agree within 0.044 %" in done.stdout
    assert run("verify", formula.replace("4.4", "4.41"), "--model", "qwen3-8b", *INFERSIM).returncode == 1


def test_a_file_that_has_the_section_in(tmp_path: Path) -> None:
    """What `symsim paper` writes: main.tex inputs section.tex, which says what it derives."""
    assert run("paper", "qwen3-8b", *INFERSIM, "--out", str(tmp_path / "paper")).returncode == 0
    done = run("verify", "paper/main.tex", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": equal") == 7
    notes = done.stderr.splitlines()
    assert len(notes) == len(set(notes)) > 0


def test_a_file_of_ones_own_that_has_another_in(tmp_path: Path) -> None:
    (tmp_path / "main.tex").write_text("\\begin{document}\n% \\input{old}\n\\input{section}\n\\end{document}\n")
    (tmp_path / "section.tex").write_text("Text.\n\\[ \\mathrm{TPOT} = 35 t_{layer} + t_{sched} \\]\n")
    done = run("verify", "main.tex", "--model", "qwen3-8b", *INFERSIM, folder=tmp_path)
    assert done.returncode == 1
    assert "(line 2): you have 35*t_layer" in done.stdout
    (tmp_path / "main.tex").write_text("\\input{section}\n\\input{other.tex}\n")
    (tmp_path / "other.tex").write_text("\\[ C = S \\]")
    done = run("verify", "main.tex", "--model", "qwen3-8b", *INFERSIM, folder=tmp_path)
    assert done.returncode == 2
    assert "verify one of section.tex, other.tex" in done.stderr


def test_a_formula_of_rules_of_thumb_is_told_what_is_otherwise() -> None:
    """With symbols that are divided by what this deployment has none of."""
    text = r"\mathrm{TPOT} = \max(\frac{2BN}{P}, \frac{2N}{W})"
    done = run("verify", text, "--model", "qwen3-8b", "--device", "h100", "--cost-model", "roofline")
    assert done.returncode == 1, done.stderr
    assert "extra" in done.stdout or "wrong" in done.stdout


def test_a_name_may_be_defined_by_a_word() -> None:
    """Letters that are a name the formula knows are no product of letters; others are."""
    ask = ("--model", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--metric", "memory")
    letters = ["--define", "w=weights", "--define", "c=cache", "--define", "a=activations"]
    done = run("verify", r"\mathrm{memory} = w + c + a", *ask, *letters)
    assert "missing term in memory" in done.stdout, done.stderr
    assert "extra" not in done.stdout
    done = run("verify", r"w = 2 N", *ask, "--define", "N=params", "--define", "w=weights")
    assert "the 8,190,735,360 parameters of the model" in done.stdout, done.stderr
    done = run("verify", r"\mathrm{memory} = x + M_w + M_{KV}", *ask, "--define", "x=DB")
    assert "extra term in memory (line 1): D*B" in done.stdout, done.stderr
