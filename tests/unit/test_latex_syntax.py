"""The LaTeX that papers write is read as meant; what is not read is pointed at."""

import pytest

import symsim
from symsim import verify
from symsim.errors import LatexSyntaxError, UndefinedName
from symsim.verification import check

COSTS = symsim.compile("qwen3-8b", "h20", symsim.Deployment(gemm="fp8"), cost_model="infersim")
LARGE = symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch")
V3 = symsim.compile("deepseek-v3", "h800", LARGE, cost_model="infersim")

EQUAL = [
    r"\mathrm{TPOT} = 36\,t_{\mathrm{layer}} + t_{\mathrm{sched}}",
    r"TPOT = L t_{layer} + 5~\text{ms}",
    r"\text{TPOT} := 36 \times t_{\rm layer} + 5000\,\mu\mathrm{s} \approx 28\,\mathrm{ms}",
    r"36 \cdot t_{layer} + 5 \times 10^{-3}",
    r"$$ \operatorname{TPOT}(B, S, O) = \left( 36 \right) t_{layer}(B) + 0.005\,\mathrm{s} $$",
    r"\[ \begin{aligned} \mathrm{TPOT} &= 36 t_{layer} \\ &\quad + t_{sched} \end{aligned} \]",
    r"\begin{equation}\label{eq:a} \mathrm{TPOT} = n_{layers} \, t_{layer} + t_{sched}. \end{equation}",
    r"\mathrm{TPOT} = 36 t_{layer} + 5\,\mathrm{ms} = \mathrm{num\_hidden\_layers}\; t_{layer} + t_{sched}",
    r"t_{experts} = \max\{\frac{301{,}989{,}888 B}{P_{fp8}\mu_{gemm}(B, 4096, 24576)}, "
    r"\frac{150994944}{W_{HBM}\eta_{HBM}}\}",
    r"t_{experts} = \max\Bigl(301,989,888 B / P_w / \mu_{gemm}(B, D, 24\,576), "
    r"\dfrac{3 D F b_w}{W_{HBM}\eta_{HBM}}\Bigr)",
    r"t_{experts} = \begin{cases} x & x \ge y \\ y & \text{otherwise} \end{cases} \\"
    r" x = \frac{301989888 B}{P_w \mu_{gemm}(B, 4096, 24576)} \\ y = \frac{150994944}{\mathrm{BW}_{HBM}\eta_{HBM}}",
    r"C = S + \lfloor O/2 \rfloor",
    r"C = S + \lceil (O - 1)/2 \rceil",
    r"C = S - 1 + \lceil \frac{O + 1}{2} \rceil",
    r"C = \lfloor (4 S + 2 O + 1)/4 \rfloor",
    r"C = S + O - \lceil O/2 \rceil",
    r"C = S - \lceil -O/2 \rceil",
    r"C = S + \frac{1}{2}(O - \lceil O/2 \rceil + \lfloor O/2 \rfloor)",
    r"TPOT = 36 t_{layer} + 5 ms",
    r"TPOT = 36 t_{layer} + 5000 \mu s",
    r"TPOT = 36 \max(t_{layer}, 0) + 5ms",
    r"TPOT = \max(0, 36 t_{layer} + 5\,\mathrm{ms})",
    r"t_{core} = \max(\frac{16384 B C}{P_{bf16} \mu_{GQA}(32, 8, 128, B, S + \lfloor O/2 \rfloor)}, "
    r"\frac{4096 B (S + \lfloor O/2 \rfloor)}{W_{HBM} \eta_{HBM}})",
    r"C = \left\lfloor S + \frac{O}{2} \right\rfloor",
    r"C = \frac{(S + \lfloor \tfrac{O}{2} \rfloor)(S + O)^2}{(O + S)(S + O)}",
    r"t_{attention} = t_{core} + t_{o proj} + t_{qkv proj}",
    r"36 t_{layer} + 5e-3",
    r"C = S + \operatorname{floor}(O/2)",
    r"t_{layer} = t_{attn} + t_{experts}",
    r"t_{layer} = x + t_{experts}, x = t_{core} + t_{qkv proj} + t_{o proj}",
    r"t_{layer} = x + t_{experts}, \quad \text{where } x = t_{attn}",
    r"\[ t_{layer}(B, S) = x + t_{experts} \quad\text{ with }\quad x(B, S) = t_{attn}. \]",
    r"\[ t_{layer} = x + t_{experts} \\ \text{where } x = t_{attn}, L = 36 \]",
]


@pytest.mark.parametrize("text", EQUAL)
def test_equal_in_other_words(text: str) -> None:
    found = verify(text, COSTS)
    assert found.equal, [one.sentence() for one in found.differences]


DIFFERENT = [
    (r"36 t_{layer}", "missing term", "t_sched_decode", 0.005),
    (r"35 t_{layer} + t_{sched}", "wrong coefficient", "36*t_layer", None),
    (r"36 t_{layer} + 6\,\mathrm{ms}", "wrong coefficient", "5 ms", 0.005),
    (r"36 t_{layer} + t_{sched} + t_{core}", "extra term", None, None),
    (r"TPOT = 36 t_{layer} + 5\,\mathrm{ms} = 36 t_{layer}", "missing term", "t_sched_decode", 0.005),
    (r"36 (t_{core} + t_{experts} + t_{o proj}) + t_{sched}", "missing term", "t_qkv_proj", None),
    (r"t_{experts} = \frac{301989888 B}{P_w\mu_{gemm}(B, 4096, 24576)}", "missing arm", None, None),
    (r"t_{experts} = \max(\frac{301989888 B}{P_w}, \frac{150994944}{W_{HBM}\eta_{HBM}})", "wrong term", None, None),
    (r"C = S + O/2", "missing rounding", "floor(O/2)", 1024),
    (r"C = S + \frac{O}{3}", "wrong term", "floor(O/2)", 1024),
    (
        r"t_{core} = \max(x, \frac{4 C B H d}{P_{bf16} p_{tp} \mu_{GQA}(H/p_{tp}, G/p_{tp}, d, B, C)}) \\"
        r" x = \frac{2 B C H d b_{kv}}{W_{HBM} \eta_{HBM} p_{tp}}",
        "wrong term",
        None,
        None,
    ),
]


@pytest.mark.parametrize(("text", "kind", "derived", "value"), DIFFERENT)
def test_what_is_otherwise_is_named(text: str, kind: str, derived: str | None, value: float | None) -> None:
    found = verify(text, COSTS, B=64, S=4096, O=2048)
    (one,) = found.differences
    assert one.kind == kind, one.sentence()
    assert derived is None or one.derived == derived
    assert value is None or one.value == pytest.approx(value)
    assert one.value is not None


def test_a_whole_step_that_is_missing_is_named_by_its_name() -> None:
    found = verify(r"\mathrm{TPOT} = 122\max(t_{attention}, t_{dispatch} + t_{combine}) + t_{sched}", V3)
    (one,) = found.differences
    assert (one.kind, one.step, one.derived) == ("missing term", "t_layer", "2*t_experts")


def test_sums_of_many_terms_are_read() -> None:
    (one,) = verify(
        "TPOT = 36 t_{layer} + t_{sched} + " + "+".join(f"B^{{{i}}}" for i in range(1, 2)), COSTS
    ).differences
    assert one.kind == "extra term"
    assert not verify("+".join(f"B^{{{i % 900}}}" for i in range(3000)), COSTS).equal


def test_a_term_that_all_arms_share_may_stand_in_each() -> None:
    text = r"\max(122 t_{attention} + t_{sched}, 122 (t_{dispatch} + t_{experts} + t_{combine}) + t_{sched})"
    assert verify(text, V3).equal
    assert not verify(text.replace("+ t_{sched},", "+ 2 t_{sched},"), V3).equal


def test_a_symbol_of_the_same_value_is_not_the_same_symbol() -> None:
    """DeepSeek-V3 has as many heads as its values have dimensions."""
    text = r"t_{o proj} = \frac{2 B D H H}{P_w p_{tp} \mu_{gemm}(B, \frac{H d_v}{p_{tp}}, D)}"
    assert not verify(text, V3).equal
    assert verify(text.replace("H H", "H d_v"), V3).equal
    assert verify(text.replace("H H", "H 128"), V3).equal


def test_printed_digits_are_what_counts() -> None:
    text = r"t_{o proj} = 110.703\,\mathrm{ns} \cdot \frac{B}{\mu_{gemm}(B, 4096, 4096)}"
    found = verify(text, COSTS)
    assert found.equal
    assert found.rounded
    assert not verify(text.replace("110.703", "110.704"), COSTS).equal
    assert verify(text.replace("110.703", "111.0"), COSTS).equal is False
    assert verify(text.replace("110.703", "110.7"), COSTS).equal


def test_steps_that_are_not_given() -> None:
    assert verify(r"36 t_{layer} + t_{sched}", COSTS).taken == ("t_layer",)
    text = r"TPOT = 36 t_{layer} + t_{sched} \\ t_{layer} = t_{attention} + t_{experts}"
    missing = {(one.kind, one.step) for one in verify(text, COSTS).differences}
    assert missing == {("missing step", "t_attention"), ("missing step", "t_experts")}


def test_values_of_workload_symbols_are_the_readers_choice() -> None:
    found = verify(r"36 t_{layer} + t_{sched} \\ B = 64 \\ L = 36 \\ S = 4096", COSTS)
    assert found.equal
    assert found.passed_over == ("B", "S")


@pytest.mark.parametrize(
    ("stated", "yours", "derived"),
    [
        ("L = 37", "37", "36"),
        (r"L = 36 = 37", "37", "36"),
        (r"L = x \\ x = 37", "37", "36"),
        (r"L = B", "B", "36"),
        (r"t_{sched} = 7\,\mathrm{ms}", "7 ms", "5 ms"),
        (r"P_w = 5\,\mathrm{TFLOP/s}", "5 TFLOP/s", "303.104 TFLOP/s"),
        (r"W_{HBM} = 4\,\mathrm{TB/s}", "4 TB/s", "4.39805 TB/s"),
        (r"W_{HBM} = 4.41\,\mathrm{TB/s}", "4.41 TB/s", "4.39805 TB/s"),
        (r"b_w = 2\,\mathrm{B}", "2 B", "1 B"),
        (r"p_{tp} = 8", "8", "1"),
    ],
)
def test_a_stated_value_that_contradicts_the_derived_one(stated: str, yours: str, derived: str) -> None:
    text = r"\mathrm{TPOT} = L t_{layer} + t_{sched} \\" + "\n" + stated
    (one,) = verify(text, COSTS).differences
    assert (one.kind, one.yours, one.derived, one.line) == ("wrong value", yours, derived, 2)
    assert one.sentence().startswith(f"wrong value of {one.step}: you have {yours}, derived {derived}")


def test_a_stated_value_is_compared_to_its_printed_digits() -> None:
    stated = r"W_{HBM} = 4.40\,\mathrm{TB/s} \\ P_w = 303.1\,\mathrm{TFLOP/s} \\ L = 36 \\ D = 32 d"
    assert verify(r"L t_{layer} + t_{sched} \\" + stated, COSTS).equal


def test_a_great_power_of_a_sum_is_not_multiplied_out() -> None:
    assert not verify(r"C = S + \lfloor O/2 \rfloor + (B + S + O)^{900}", COSTS).equal
    text = r"C = \frac{(S + \lfloor O/2 \rfloor)(B + S + O)^{900}}{(B + S + O)^{900}}"
    assert verify(text, COSTS).equal


ROOFS = r"(16384 B C/(P_{bf16} \mu_{GQA}(32,8,128,B,C)), 4096 B C/(W_{HBM}\eta_{HBM}))"
GEMM = r"\left(\frac{301989888 B}{P_w\mu_{gemm}(B, 4096, 24576)}, \frac{150994944}{W_{HBM}\eta_{HBM}}\right)"


@pytest.mark.parametrize(("name", "arms"), [("t_{core}", ROOFS), ("t_{experts}", GEMM)])
def test_a_minimum_is_no_maximum(name: str, arms: str) -> None:
    assert verify(rf"{name} = \max{arms}", COSTS).equal
    found = verify(rf"{name} = \min{arms}", COSTS)
    assert [one.kind for one in found.differences] == ["wrong term"]
    found = verify(rf"{name} = 2 \min{arms}", COSTS)
    assert not found.equal


def test_a_minimum_of_stages_is_no_maximum() -> None:
    text = r"\mathrm{TPOT} = 61 \cdot 2 \min(t_{attention}, t_{dispatch} + t_{experts} + t_{combine}) + 5\,\mathrm{ms}"
    assert verify(text.replace("min(", "max("), V3).equal
    assert not verify(text, V3).equal


def test_what_the_normal_form_takes_as_equal_must_agree_at_random_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second look does not trust the first: also where numbers are rounded."""
    monkeypatch.setattr(check.Judge, "differences", lambda *_: [])
    for text in (r"36 t_{layer} + t_{sched}", r"36.0 t_{layer} + 5.0\,\mathrm{ms}"):
        assert verify(text, COSTS).equal, text
    for text in (r"35 t_{layer} + t_{sched}", r"36.2 t_{layer} + 5.0\,\mathrm{ms}", rf"t_{{core}} = \min{ROOFS}"):
        assert [one.kind for one in verify(text, COSTS).differences] == ["other value"], text


@pytest.mark.parametrize("rounded", [r"0.01\,\mathrm{s}", r"0.01", r"0.1 \times 10^{-1}", r"1e-2", r"4.\,\mathrm{ms}"])
def test_a_number_of_one_digit_is_no_rounding(rounded: str) -> None:
    """0.01 s is not 5 ms, though 5 ms rounds to it."""
    rounded = rounded.replace("4.", "4.0")
    assert not verify(rf"36 t_{{layer}} + {rounded}", COSTS).equal
    assert verify(r"36 t_{layer} + 0.005\,\mathrm{s}", COSTS).equal


def test_a_coefficient_of_one_digit_is_no_rounding() -> None:
    text = r"t_{experts} = \max(301989888 B/(P_w\mu_{gemm}(B, 4096, 24576)), 0.2\times10^9/(W_{HBM}\eta_{HBM}))"
    assert not verify(text, COSTS).equal
    found = verify(text.replace("0.2", "0.15"), COSTS)
    assert found.equal
    assert found.deviation == pytest.approx(1 - 0.15e9 / 150994944, rel=0.01)


def test_rounded_numbers_beside_symbols_that_have_numbers() -> None:
    """D is named, so that 4096 is compared as its number; the other arm stays rounded."""
    text = r"t_{experts} = \max(301989888 B/(P_w\mu_{gemm}(B, D, 24576)), 0.15\times10^9/(W_{HBM}\eta_{HBM}))"
    found = verify(text, COSTS)
    assert found.equal, [one.sentence() for one in found.differences]
    assert found.deviation == pytest.approx(1 - 0.15e9 / 150994944)
    assert not verify(text.replace("0.15", "0.16"), COSTS).equal
    assert not verify(text.replace("max", "min"), COSTS).equal


def test_how_far_rounding_is_off_where_all_is_in_numbers() -> None:
    text = r"t_{o proj} = 111\,\mathrm{ns} \cdot \frac{B}{\mu_{gemm}(B, 4096, 4096)}"
    assert not verify(text, COSTS).equal
    found = verify(text.replace("111", "110.7"), COSTS)
    assert found.equal
    assert found.deviation == pytest.approx(2.44e-5, rel=0.01)
    assert verify(r"36 t_{layer} + t_{sched}", COSTS).deviation is None


AS_WRITTEN = [
    (r"\text{TPOT} \approx 80 (t_{attn} + t_{mlp}) + t_{emb} + t_{head}", "tpot"),
    (r"\mathrm{TPOT} = \sum_{\ell=1}^{L} t_\ell + t_{embedding} + t_{logits}", "tpot"),
    (r"T_{\mathrm{token}} = L\,(t_{att} + t_{MLP}) + t_{emb} + t_{head}", "tpot"),
    (r"M_{\mathrm{KV}} = 2 \cdot L n_{kv} d_h b_{kv} 16 \lceil (S+O)/16 \rceil b / N_{tp}", "memory"),
    (r"m_{tok} = 2 \cdot 80 \cdot 8 \cdot 128 \cdot 2\,\text{bytes} / 8 = 40.96\,\text{kB} = 40\,\text{KiB}", "memory"),
    (r"\mathrm{throughput} = \frac{B}{8\,\mathrm{TPOT}}", "tgs_decode"),
]


@pytest.mark.parametrize(("text", "metric"), AS_WRITTEN)
def test_formulas_as_other_authors_write_them(text: str, metric: str) -> None:
    found = verify(text, L70, metric)
    assert found.equal, [one.sentence() for one in found.differences]


def test_a_cache_without_whole_pages_lacks_the_rounding_alone() -> None:
    text = r"M_{\mathrm{KV}} = 2 \cdot 2 L G d (S+O) B / N_{tp}"
    (one,) = verify(text, L70, "memory").differences
    assert one.kind == "missing rounding"
    assert one.derived == "ceil((O + S)/kv_page)"
    assert not verify(text.replace("2 L", "3 L"), L70, "memory").equal


def test_a_term_that_is_missing_among_numbers_is_named() -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", cost_model="roofline")
    assert verify("M_w = 2 N", costs, "memory").equal
    differences = verify(r"M = 2 N + M_{\mathrm{KV}} + \mathrm{activations}", costs, "memory").differences
    assert {one.derived for one in differences} == {"reserved", "unused"}


def test_a_difference_has_both_values_at_the_point() -> None:
    found = verify(r"\frac{2 N}{8 W}", L70, B=1, S=128, O=128)
    (mine, derived) = found.values["TPOT"]
    assert mine == pytest.approx(2 * 70_553_706_496 / 8 / 3.35e12)
    assert derived == pytest.approx(L70.tpot.evaluate(B=1, S=128, O=128))


UNREADABLE = [
    (r"36 t_{layer} + \frac{B}{1.0 - 1.0}", 1, "divides by zero"),
    (r"36 t_{layer} + B/x \\ x = 1.0 - 1.0", 1, "divides by zero"),
    (r"\mathrm{TPOT} = \mathrm{TPOT}", 1, r"\mathrm{TPOT} is defined by itself"),
    (r"36 t_{layer} + \mathrm{TPOT}", 1, r"\mathrm{TPOT} is defined by itself"),
    (r"t_{layer} = x \\ x = t_{layer}", 1, "t_{layer} is defined by itself"),
    (r"\mathrm{TTFT} = 36 t_{layer}", 1, "say --metric ttft"),
    (r"\mathrm{TGS} = 36 t_{layer}", 1, "say --metric tgs-decode or --metric tgs-prefill"),
    (r"36^{99999999999} t_{layer}", 1, "a power here is too large"),
    (r"(2 B)^{99999999999}", 1, "a power here is too large"),
    (r"1.5^{99999} t_{layer}", 1, "a power here is too large"),
    (r"((36^{900})^{900})^{900} t_{layer}", 1, "a power here is too large"),
    (r"36 t_{layer} + 1e99999999", 16, "a power here is too large"),
    (r"36^x t_{layer} \\ x = 99999999999", 1, "a power here is too large"),
    (r"x^{999} t_{layer} \\ x = y^{999} \\ y = 36", 1, "a power here is too large"),
    (r"36 t_{layer} + t_{sched} + 0.0 B", 28, "write 0 for exactly zero"),
    (r"36 t_{layer} + 0^{-1}", 1, "divides by zero"),
    (r"36 t_{layer} +", 15, "ends where a term"),
    (r"\int{36} t_{layer}", 1, r"`\int` is not read"),
    (r"36 t_{layr} + t_{sched}", 4, r"did you mean t_{\mathrm{layer}}"),
    (r"x_1 = 36 t_{layer}", 1, "no step of the derived formula"),
    (r"36 t_{layer} + \mu_{gemm}", 16, "needs its arguments"),
    (r"36 t_{layer} + \mu_{gemm}(B, 3)", 16, "3 arguments, found 2"),
    (r"36 + t = 3 t_{layer}", 1, "left side of an equation must be one name"),
    (r"\begin{cases} 3 & B \ge 7 \\ 2 & \text{otherwise} \end{cases}", 1, "cases can be compared"),
    (r"36 t_{layer} / 0", 1, "divides by zero"),
    (r"36 t_{layer} \cdot 0^0", 1, "0^0 has no value"),
    (r"36 t_{layer} + " + "9" * 5000, 16, "is no number of a quantity"),
    ("+".join(["B"] * 50_000), 1, "one equation of 99,999 characters"),
    ("(" * 3000 + "B" + ")" * 3000, 61, "more than 60 deep"),
    ("{" * 3000 + "B" + "}" * 3000, 61, "more than 60 deep"),
    (r"36 (t_{layer} + 1", 18, "ends where a term"),
    (r"t_{layer} = t_{layer} x \\ x = y \\ y = x", 1, "defined by itself"),
]


@pytest.mark.parametrize(("text", "column", "words"), UNREADABLE)
def test_what_is_not_read_is_pointed_at(text: str, column: int, words: str) -> None:
    with pytest.raises((LatexSyntaxError, UndefinedName)) as caught:
        verify(text, COSTS)
    assert words in caught.value.message
    assert caught.value.span.column == column


def test_places_are_those_of_the_whole_file() -> None:
    text = "% a comment\n\\begin{align}\n  C &= S + O \\\\\n  t_{x} &= 3\n\\end{align}\n"
    with pytest.raises(UndefinedName) as caught:
        verify(text, COSTS, path="a.tex")
    assert (caught.value.span.path, caught.value.span.line) == ("a.tex", 4)


def test_nothing_to_compare() -> None:
    for text in ("", "B = 64", "% only a comment"):
        with pytest.raises(symsim.SymsimError, match="no equation here defines tpot"):
            verify(text, COSTS)


L70 = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=8), cost_model="roofline")
V3_ROOFLINE = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8), cost_model="roofline")

SUMMED = [
    (L70, r"t_{embedding} + t_{logits} + \sum_{l=1}^{L} t_{layer}"),
    (L70, r"t_{embedding} + \sum\limits_{\ell=1}^{80} \left(t_{attention,\ell} + t_{ffn}^{(\ell)}\right) + t_{logits}"),
    (L70, r"t_{embedding} + t_{logits} + \sum_{l} t_l"),
    (V3_ROOFLINE, r"t_{embedding} + t_{logits} + \sum_{l=1}^{3} t_{dense,l} + \sum_{l=4}^{L} t_{sparse,l}"),
    (V3_ROOFLINE, r"t_{embedding} + t_{logits} + \sum_{l \in \mathcal{L}} t_l"),
]


@pytest.mark.parametrize(("costs", "text"), SUMMED)
def test_sums_over_layers(costs: symsim.Costs, text: str) -> None:
    found = verify(text, costs)
    assert found.equal, [one.sentence() for one in found.differences]
    wrong = verify(f"{text} + t_{{layer}}" if costs is L70 else f"{text} + t_{{dense}}", costs)
    assert not wrong.equal


@pytest.mark.parametrize("bandwidth", ["W", r"\mathrm{BW}", r"W_{\mathrm{mem}}"])
def test_letters_of_other_papers(bandwidth: str) -> None:
    compute = r"\frac{4 b n_{heads} d_h C}{8 \mu_0 P}"
    moved = r"2 b C n_\text{kv\_heads} d_h b_{kv} / 8 + 4608 b"
    found = verify(rf"t_{{core}} = \max({compute}, \frac{{{moved}}}{{{bandwidth}\,\eta_{{HBM}}}})", L70)
    assert found.equal, [one.sentence() for one in found.differences]


@pytest.mark.parametrize("gigabytes", ["16 GB", "16GB", r"16~GB", r"16\,\mathrm{GB}", "16e9"])
def test_a_number_with_a_unit_behind_it_is_an_amount(gigabytes: str) -> None:
    others = r"\mathrm{weights} + \mathrm{cache\_per\_sequence} B + \mathrm{activations} + \mathrm{unused}"
    found = verify(f"{others} + {gigabytes}", L70, "memory")
    (difference,) = found.differences
    assert "you have 16 GB, derived is 1.61061 GB" in difference.sentence()


def test_parameters_are_counted_and_said() -> None:
    found = verify(r"\max(\frac{2 B N}{P}, \frac{2 N}{W})", L70)
    assert not found.equal
    assert found.counted == {"N": "70,553,706,496 parameters of the model"}


def test_names_are_defined_from_outside() -> None:
    defined = {"z": "L", r"t_{\mathrm{one}}": r"t_{\mathrm{layer}}"}
    assert verify(r"t_{embedding} + t_{logits} + z\,t_{one}", L70, define=defined).equal


MEMORY, COMPUTE = r"\frac{262668288 + 48448 B}{W_{HBM} \eta_{HBM}}", r"\frac{262668288 B}{\mu_0 P_{bf16}}"
RATE = r"\frac{P_{bf16} \mu_0}{W_{HBM}\eta_{HBM}}"


@pytest.mark.parametrize("border", ["151", rf"\frac{{262668288 {RATE}}}{{262668288 - 48448 {RATE}}}"])
def test_rows_on_ranges_are_a_maximum(border: str) -> None:
    text = rf"t_{{lm head}} = \begin{{cases}} {MEMORY} & B \le {border} \\ {COMPUTE} & B > {border} \end{{cases}}"
    found = verify(text, L70)
    assert found.equal, [one.sentence() for one in found.differences]


def test_rows_with_another_border_are_told() -> None:
    text = rf"t_{{lm head}} = \begin{{cases}} {MEMORY} & B < 300 \\ {COMPUTE} & B \ge 300 \end{{cases}}"
    (found,) = verify(text, L70, S=1024, O=1024).differences
    assert found.kind == "wrong row"
    assert "row 1" in found.sentence()
