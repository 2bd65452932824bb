"""The page in a real browser: its numbers are those of `evaluate`, inputs move them, and it asks no address."""

import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.formula.breakdown import breakdown
from symsim.formula.extrapolation import extrapolated
from tests.commands import run

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
browser_needed = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which CI has")


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="drives the browser; the extra test has it")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def costs() -> symsim.Costs:
    return symsim.compile("llama-3.3-70b", "h200", symsim.Deployment(tp=4), "calibrated")


@pytest.fixture(scope="module")
def file(costs: symsim.Costs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return costs.page(tmp_path_factory.mktemp("page") / "page.html", B=32, S=3000, O=500)


class Page:
    """An open page; asked: addresses that it asked for besides its own file."""

    def __init__(self, browser: Any, file: Path, fragment: str = "", **how: Any) -> None:
        self.asked: list[str] = []
        self.errors: list[str] = []
        self.tab = browser.new_context(**how).new_page()
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.goto(f"{file.as_uri()}{fragment}")

    def value(self, name: str) -> float:
        return float(self.tab.locator(f"#{name}").get_attribute("data-value"))

    def ends(self, name: str) -> tuple[float, float]:
        found = self.tab.locator(f"#{name}-range")
        return float(found.get_attribute("data-low")), float(found.get_attribute("data-high"))

    def fill(self, name: str, value: float) -> None:
        self.tab.locator(f"#{name}").fill(str(value))


METRICS = ("tpot", "ttft", "tgs_decode", "tgs_prefill", "memory", "max_batch")


def check(page: Page, costs: symsim.Costs, **at: float) -> None:
    """Every figure of the page is what `evaluate` gives there."""
    point = {"B": 32, "S": 3000, "O": 500, "T": 4096, **at}
    for name in METRICS:
        formula = costs.metric(name)
        own = {symbol: value for symbol, value in point.items() if formula.form.takes(symbol)}
        assert page.value(name) == pytest.approx(formula.evaluate(**own), rel=1e-12), (name, point)
    for name in ("tpot", "ttft", "tgs_decode", "tgs_prefill"):
        formula = costs.metric(name)
        own = {symbol: value for symbol, value in point.items() if formula.form.takes(symbol)}
        assert page.ends(name) == pytest.approx(formula.interval(**own), rel=1e-9), (name, point)
    assert page.errors == []


@browser_needed
def test_numbers_are_those_of_evaluate(browser: Any, file: Path, costs: symsim.Costs) -> None:
    page = Page(browser, file)
    check(page, costs)
    page.fill("B", 77)
    page.fill("S", 30_000)  # several iterations of its prompt
    check(page, costs, B=77, S=30_000)
    page.tab.locator("#device-details summary").click()
    page.fill("hbm_bandwidth", 6.5)
    check(page, costs, B=77, S=30_000, hbm_bandwidth=6.5e12)
    page.tab.locator("#tp").select_option(label="tp 8 (8 GPUs)")
    other = symsim.compile("llama-3.3-70b", "h200", symsim.Deployment(tp=8), "calibrated")
    check(page, other, B=77, S=30_000, hbm_bandwidth=6.5e12)


@browser_needed
@pytest.mark.parametrize("tp", [1, 8])
@pytest.mark.parametrize(
    "at",
    [
        {"B": 4096},
        {"S": 131_072, "O": 131_072},
        {"B": 1, "S": 16_385, "T": 131_072},
        {"B": 1024, "S": 100_001, "O": 3, "T": 40_000},
    ],
    ids=str,
)
def test_bands_widen_beyond_what_was_measured_as_interval_does(
    browser: Any, file: Path, at: dict[str, float], tp: int
) -> None:
    page = Page(browser, file)
    page.tab.locator("#tp").select_option(label=f"tp {tp} ({tp} GPU{'s' * (tp > 1)})")
    for name, value in at.items():
        page.fill(name, value)
    other = symsim.compile("llama-3.3-70b", "h200", symsim.Deployment(tp=tp), "calibrated")
    assert extrapolated({"B": 32, "S": 3000, "O": 500, **at}) or extrapolated({"S": 3000, "T": 4096, **at})
    check(page, other, **at)


@browser_needed
@pytest.mark.parametrize("batch", [1, 32, 1024])
def test_operators_wait_for_what_the_breakdown_says(browser: Any, file: Path, costs: symsim.Costs, batch: int) -> None:
    page = Page(browser, file)
    page.fill("B", batch)
    told = page.tab.evaluate("operators().map((op) => [op.name, op.bound])")
    found = breakdown(costs.compiled.decode, costs.tpot.form, {"B": batch, "S": 3000, "O": 500})
    assert told == [[line.name, line.bound] for line in found]


@browser_needed
def test_sliders_move_figures_by_keyboard_and_the_address_keeps_them(
    browser: Any, file: Path, costs: symsim.Costs
) -> None:
    page = Page(browser, file)
    slider = page.tab.locator("#B-slider")
    slider.focus()
    before = page.value("tpot")
    for _ in range(3):
        page.tab.keyboard.press("ArrowRight")
    batch = int(page.tab.locator("#B").input_value())
    assert batch >= 35
    assert page.value("tpot") > before
    check(page, costs, B=batch)
    shared = page.tab.url.partition("#")[2]
    assert f"B={batch}" in shared
    check(Page(browser, file, f"#{shared}"), costs, B=batch)
    page.tab.locator("#reset").click()
    check(page, costs)


@browser_needed
def test_a_rate_is_the_batch_that_serves_it(browser: Any, file: Path, costs: symsim.Costs) -> None:
    page = Page(browser, file)
    page.fill("rate", 2.5)
    batch = int(page.tab.locator("#B").input_value())
    check(page, costs, B=batch)

    def rate(B: int) -> float:
        return B / (500 * costs.tpot.evaluate(B=B, S=3000, O=500))

    assert rate(batch - 1) < 2.5 <= rate(batch)


@browser_needed
def test_the_largest_batch_is_the_solvers(browser: Any, file: Path, costs: symsim.Costs) -> None:
    page = Page(browser, file)
    for limit in (12, 25, 50, 200):
        page.fill("sla", limit)
        answer = costs.solve(f"max B subject to TPOT <= {limit} ms, memory <= capacity with S = 3000, O = 500")
        assert float(page.tab.locator("#verdict").get_attribute("data-most")) == (answer.value or 0)


@browser_needed
def test_shares_of_terms_add_up(browser: Any, file: Path) -> None:
    page = Page(browser, file)
    rows = "[...document.querySelectorAll('[data-step]')]"
    share = page.tab.evaluate(f"Object.fromEntries({rows}.map((row) => [row.dataset.step, +row.dataset.share]))")
    assert share["TPOT"] == 1
    assert share["t_embedding"] + share["t_layer"] + share["t_logits"] == pytest.approx(share["t_kernels"])
    assert 0.8 < share["t_kernels"] <= 1


@browser_needed
@pytest.mark.parametrize("how", [{"color_scheme": "dark"}, {"viewport": {"width": 375, "height": 812}}])
def test_it_asks_no_address_and_fits(browser: Any, file: Path, how: dict[str, Any]) -> None:
    page = Page(browser, file, **how)
    page.tab.locator("#B").fill("50")
    assert [url for url in page.asked if not url.startswith(("data:", file.as_uri()))] == []
    assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    inputs = "[...document.querySelectorAll('input, select')]"
    assert page.tab.evaluate(f"{inputs}.filter((one) => !one.labels.length && !one.ariaLabel)") == []
    assert page.errors == []


@browser_needed
@pytest.mark.parametrize("viewport", [{"width": 390, "height": 844}, {"width": 844, "height": 390}], ids=str)
def test_figures_stay_in_sight_of_every_input_on_a_phone(browser: Any, file: Path, viewport: dict[str, int]) -> None:
    page = Page(browser, file, viewport=viewport)
    page.tab.locator("#device-details summary").click()
    page.tab.locator("#B").focus()
    ends = "((one) => [one.top, one.bottom])({}.getBoundingClientRect())"
    names = []
    while "share" not in names:
        top, bottom = page.tab.evaluate(ends.format("document.querySelector('#figures dl')"))
        above, below = page.tab.evaluate(ends.format("document.activeElement"))
        names.append(page.tab.evaluate("document.activeElement.id"))
        assert 0 <= top < bottom <= above < below <= viewport["height"] + 1, names
        page.tab.keyboard.press("Tab")
    assert {"B-slider", "O-slider", "hbm_bandwidth-slider"} <= set(names)


@browser_needed
def test_the_skip_link_leads_past_the_inputs(browser: Any, file: Path) -> None:
    page = Page(browser, file)
    page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Enter")
    page.tab.keyboard.press("Tab")
    assert not page.tab.evaluate("document.querySelector('#controls').contains(document.activeElement)")
    assert page.tab.evaluate("document.activeElement.closest('#formula') !== null")


@browser_needed
@pytest.mark.parametrize(
    "words",
    [
        ("qwen3-8b", "--device", "h20"),
        ("deepseek-v3", "--device", "h800", "--tp", "8", "--cost-model", "roofline", "--gemm", "fp8"),
        ("gpt-oss-120b", "--device", "b200", "--cost-model", "roofline", "--pp", "2"),
    ],
    ids=lambda words: words[0],
)
def test_other_models_have_a_page(browser: Any, tmp_path: Path, words: tuple[str, ...]) -> None:
    ran = run("page", *words, "--out", str(tmp_path / "page.html"), "--at", "B=16")
    assert (ran.returncode, ran.stdout.strip()) == (0, str(tmp_path / "page.html")), ran.stderr
    page = Page(browser, tmp_path / "page.html")
    assert page.errors == []
    assert page.value("tpot") > 0


def test_what_the_page_does_not_take_is_refused(costs: symsim.Costs, tmp_path: Path) -> None:
    with pytest.raises(symsim.SymsimError, match="Q is no input of the page; its inputs are B, S, O, T"):
        costs.page(tmp_path / "page.html", Q=2)
    assert not (tmp_path / "page.html").exists()
