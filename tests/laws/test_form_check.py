"""Every form of serving verifies as printed; what authors write of queues, drafts and costs is judged as meant."""

import pytest

from symsim.errors import SymsimError
from symsim.notation.latex_article import latex_text
from symsim.notation.layout import laid_out
from symsim.serving.forms import ServingForm, all_forms
from symsim.verification.form_check import closed_of, verify_form

FORMS = {f"{one.quantity}.{one.name}": one for one in all_forms() if closed_of(one).applied.steps}


@pytest.mark.parametrize("one", FORMS.values(), ids=FORMS)
def test_what_is_printed_of_a_form_is_equal(one: ServingForm) -> None:
    closed = closed_of(one)
    text = latex_text(laid_out(closed, "symbolic", ""))
    found = verify_form(text, f"{one.quantity}.{one.name}")
    assert found.equal, [difference.sentence() for difference in found.differences]


EQUAL = [
    (r"\mu = \frac{1-a^{k+1}}{1-a}", "steps.renewal"),
    (r"\mu = \sum_{i=0}^{k} a^i", "steps.renewal"),
    (r"\tau = \frac{1-\alpha^{\gamma+1}}{1-\alpha}", "steps.renewal"),
    (r"W_q = \frac{\lambda s^2}{2(1-\lambda s)}", "wait.m/d/1"),
    (
        r"W = \frac{\rho}{1-\rho} \frac{c_a^2 + c_s^2}{2} s "
        r"\exp(-\frac{2(1-\rho)\max(0,1-c_a^2)^2}{3\rho(c_a^2+c_s^2)})",
        "wait.kingman",
    ),
    (
        r"W = \frac{P_w}{x(1-\rho)} s \frac{c_a^2+c_s^2}{2} \left(1 + (1-\min(c_s^2,1))(1-\rho)(x-1)"
        r"\frac{\sqrt{4+5x}-2}{16\rho x}\right)",
        "wait.cosmetatos",
    ),
    (r"P_w = \rho^{\sqrt{2(x+1)}-1}", "wait.sakasegawa"),
    (r"\mathrm{TPOT} = \frac{N}{O-1} \frac{t_0+\tau}{1-\lambda N \tau}", "decode_tpot.negative-binomial"),
    (
        r"X = \frac{t_0}{1 - \rho},\quad B = \lambda N X, \quad \rho = \lambda(\alpha_1 + N\tau)",
        "mixed_iteration.affine",
    ),
    (r"\mathrm{goodput} = \min(\frac{x}{s}, \frac{y B_{\max}}{N t_B})", "served_rate.stable"),
    (r"\mathrm{cost} = \frac{10^6 p_{\mathrm{GPU}} N_{\mathrm{GPUs}}}{\lambda O}", "token_cost.rented"),
    (r"E_{hit} = \frac{E}{G} (1 - (1 - k/E)^m)", "experts_hit.even"),
]


@pytest.mark.parametrize(("text", "form"), EQUAL)
def test_a_formula_is_told_which_form_it_is(text: str, form: str) -> None:
    found = verify_form(text)
    assert found.equal, [difference.sentence() for difference in found.differences]
    assert found.subject.startswith(f"form {form}")


@pytest.mark.parametrize(
    ("text", "changed", "part"),
    [
        (r"\mu = \frac{1-a^{k}}{1-a}", "steps.renewal", "acceptance*acceptance**drafts"),
        (r"W = \frac{\rho}{1-\rho} \frac{c_a^2 + c_s^2}{2} s", "wait.kingman", "exp("),
        (r"W = \frac{\rho s}{1-\rho}", "wait.m/d/1", "rho*s/(2"),
        (r"\mathrm{TPOT} = \frac{t_0+\tau}{1-\lambda O \tau}", "decode_tpot.negative-binomial", "N*t_0/((O - 1)"),
    ],
)
def test_the_nearest_form_says_what_is_otherwise(text: str, changed: str, part: str) -> None:
    found = verify_form(text)
    assert not found.equal
    assert found.subject.startswith(f"form {changed}")
    assert part in " ".join(one.sentence() for one in found.differences)


def test_values_at_a_point() -> None:
    found = verify_form(r"W = \frac{\rho s}{1-\rho}", "wait.m/d/1", rate=2.0, s=0.25)
    assert found.values["W"] == pytest.approx((0.25, 0.125))


@pytest.mark.parametrize(
    ("text", "asked", "part"),
    [
        (r"\mathrm{TPOZ} = 3 t_0", None, "no form of serving has an equation of TPOZ"),
        (r"W = 3", "wate", "did you mean wait"),
        (r"W = 3", "wait.kingmann", "did you mean kingman"),
        (r"W = \rho \xi", "wait.m/d/1", "stands for nothing"),
    ],
)
def test_what_no_form_answers(text: str, asked: str | None, part: str) -> None:
    with pytest.raises(SymsimError, match=part):
        verify_form(text, asked)
