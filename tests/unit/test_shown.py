"""Every public object says in one line what it is, and has a table or a formula for notebooks."""

import pydoc
import re
import xml.etree.ElementTree
from collections.abc import Callable

import pytest

import symsim
from symsim.calibration.accuracy import Accuracy
from symsim.calibration.own_fit import OwnCoefficient, OwnFit

POINT = {"B": 16, "S": 4096, "O": 512}
WRONG = r"\mathrm{TPOT} = 35 t_{layer} + 5\,\mathrm{ms}"


def costs(device: str = "h20") -> symsim.Costs:
    return symsim.compile("qwen3-8b", device, cost_model="infersim")


def front() -> symsim.FrontPoint:
    return symsim.pareto(symsim.sweep("qwen3-8b", "h20", {"B": [1, 2], "S": 4096, "O": 512}, cost_model="infersim"))[0]


def own_fit() -> OwnFit:
    fitted = OwnCoefficient(name="host_step", value=1e-3, low=9e-4, high=2e-3, before=3e-4, told=True)
    return OwnFit(
        coefficients=(fitted,),
        together=(),
        errors={},
        ends={},
        next_run="",
        runs=4,
        refused={},
        engine="vllm",
        device="H100",
    )


OBJECTS: dict[str, Callable[[], object]] = {
    "Accuracy": lambda: Accuracy(rows=()),
    "Answer": lambda: costs().solve("max B subject to TPOT <= 50 ms"),
    "Cache": lambda: symsim.cache("qwen3-next-80b-a3b"),
    "Comparison": lambda: costs().compare(costs("h200"), **POINT),
    "Costs": costs,
    "Deployment": lambda: symsim.Deployment(world_size=8, tp=4),
    "Difference": lambda: symsim.verify(WRONG, costs()).differences[0],
    "Formula": lambda: costs().tpot,
    "FrontPoint": front,
    "KernelCosts": lambda: symsim.kernel("gemm", "h800", {"m": 64, "k": 4096, "n": 4096}, cost_model="roofline"),
    "OwnFit": own_fit,
    "Parameters": lambda: symsim.params("deepseek-v3"),
    "Prediction": lambda: costs().predict(1024, 256, concurrency=8),
    "Recommendation": lambda: symsim.recommend("qwen3-8b", "h100", gpus=1, isl=64, osl=64, cost_model="roofline"),
    "RegimeMap": lambda: costs().regime_map("tpot", ("B", "S"), ((1, 64), (1024, 8192)), **POINT),
    "Regimes": lambda: costs().regimes("tpot", "B", 1, 64, **POINT),
    "Report": lambda: symsim.simulate("qwen3-8b", decode_bs=64),
    "Sensitivity": lambda: costs().sensitivities("tpot", **POINT)[0],
    "StepReport": lambda: costs().report(**POINT),
    "Verdict": lambda: symsim.verify(WRONG, costs()),
}


def test_every_public_type_is_shown_here() -> None:
    types = {name for name in dir(symsim) if isinstance(getattr(symsim, name), type)}
    assert types == {*OBJECTS, "SymsimError"}


@pytest.mark.parametrize("name", OBJECTS)
def test_one_line_and_a_notebook_form(name: str) -> None:
    value = OBJECTS[name]()
    assert type(value).__name__ == name
    assert "\n" not in repr(value)
    assert name in repr(value)
    assert len(repr(value)) <= 300
    html, latex = getattr(value, "_repr_html_", None), getattr(value, "_repr_latex_", None)
    if html is not None:
        assert xml.etree.ElementTree.fromstring(html()).tag == "table"
    else:
        assert latex is not None
        text = latex()
        assert text.startswith("$")
        assert text.endswith("$")
        assert text.count("{") == text.count("}")


def test_help_of_the_package_is_a_screen_and_names_every_function() -> None:
    assert len(pydoc.plain(pydoc.render_doc(symsim)).splitlines()) < 60
    functions = {name for name in dir(symsim) if name.islower()}
    assert functions <= set(re.findall(r"\w+", symsim.__doc__ or ""))


def test_a_formula_is_asked_as_a_model_is() -> None:
    """It is a function of its symbols, and has the questions about one metric as methods."""
    costs, at = symsim.compile("qwen3-8b", "h100"), {"B": 8, "S": 1024, "O": 256}
    formula = costs.tpot
    assert formula(**at) == formula.evaluate(**at)
    asked = (formula.sensitivities(**at), symsim.sensitivities(formula, **at), costs.sensitivities("tpot", **at))
    first, *others = ([(one.name, one.elasticity) for one in found] for found in asked)
    assert others == [first, first]
    assert repr(formula.regimes("B", S=1024, O=256)) == repr(costs.regimes("tpot", "B", S=1024, O=256))
