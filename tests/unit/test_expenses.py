"""Price and power of devices: files, and what predictions make of them."""

import functools
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.api.prediction import Prediction
from symsim.errors import SymsimError
from symsim.inputs.device import bundled_devices, load_device
from symsim.paths import HARDWARE


@functools.cache
def costs(device: str = "h100") -> symsim.Costs:
    return symsim.compile("qwen3-8b", device, cost_model="roofline")


def predicted(**how: Any) -> Prediction:
    return costs().predict(2048, 256, **how)


@pytest.mark.parametrize("name", bundled_devices())
def test_every_device_has_a_dated_price_within_its_range(name: str) -> None:
    price = load_device(name).price
    assert price is not None
    assert 0 < price.low <= price.rent <= price.high
    assert price.date
    assert price.source


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('low = "1.99 $/h"', 'low = "3 $/h"'), "low of .price. is above rent"),
        (('rent = "2.95 $/h"', 'rent = "2.95 W"'), "is no unit of"),
        (('rent = "2.95 $/h"', 'rant = "2.95 $/h"'), "did you mean rent"),
        (('idle = "70 W"', ""), "has no idle"),
        (("hbm_high = 0.7", "hbm_high = 7"), "cannot exceed 1"),
    ],
)
def test_bad_files(change: tuple[str, str], sentence: str, tmp_path: Path) -> None:
    text = (HARDWARE / "h100.toml").read_text()
    assert change[0] in text
    (tmp_path / "device.toml").write_text(text.replace(*change))
    with pytest.raises(SymsimError, match=sentence):
        load_device(tmp_path / "device.toml")


@pytest.mark.parametrize("how", [{"rate": 0.1}, {"rate": 4}, {"concurrency": 1}, {"concurrency": 64}])
def test_power_is_between_idle_and_limit(how: dict[str, float]) -> None:
    power = load_device("h100").power
    found = predicted(**how)
    assert power is not None
    low, high = found.intervals["power_w"]
    assert power.idle <= low <= found.power <= high <= power.limit
    assert found.energy == pytest.approx(found.power * found.gpus / found.output_rate)


def test_energy_of_a_token_falls_with_the_batch() -> None:
    energies = [predicted(concurrency=clients).energy for clients in (1, 4, 16, 64)]
    assert energies == sorted(energies, reverse=True)


def test_an_engine_without_requests_draws_what_it_does_idle() -> None:
    power = load_device("h100").power
    assert power is not None
    assert predicted(rate=1e-4).power == pytest.approx(float(power.idle), rel=0.01)


def test_decode_workers_that_wait_for_memory_draw_less_than_their_limit() -> None:
    found = predicted(rate=2, prefill="1 x tp=1", decode="1 x tp=1")
    assert found.intervals["power_w"][1] < 0.7 * 700


def test_a_stated_price_is_a_number_and_an_assumed_one_a_range() -> None:
    stated, assumed = predicted(rate=4, price="2.95 $/h"), predicted(rate=4)
    assert stated.cost == pytest.approx(2.95 / 3600 / (4 * 256) * 1e6)
    assert assumed.cost == pytest.approx(stated.cost)
    assert stated.intervals["cost_per_million_output_tokens"] == (stated.cost, stated.cost)
    low, high = assumed.intervals["cost_per_million_output_tokens"]
    assert (low / assumed.cost, high / assumed.cost) == pytest.approx((1.99 / 2.95, 5 / 2.95))
    assert any("2.95 $/h" in sentence and "2026-05" in sentence for sentence in assumed.assumptions)


def test_prices_have_a_time() -> None:
    assert predicted(rate=4, price="0.001 $/s").cost == pytest.approx(predicted(rate=4, price="3.6 $/h").cost)
    with pytest.raises(SymsimError, match="no price of a GPU"):
        predicted(rate=4, price="3 W")


def test_what_is_not_known_is_none_with_the_reason(tmp_path: Path) -> None:
    text = (HARDWARE / "h100.toml").read_text().partition("[price]")[0]
    (tmp_path / "bare.toml").write_text(text)
    bare = symsim.compile("qwen3-8b", tmp_path / "bare.toml", cost_model="roofline").predict(2048, 256, rate=4)
    document = bare.as_dict()
    assert document["power_w"] is document["joule_per_output_token"] is None
    assert document["cost_per_million_output_tokens"] is None
    assert any("no [power]" in sentence for sentence in document["warnings"])
    assert any("no [price]" in sentence for sentence in document["warnings"])


def test_questions_about_cost_and_power() -> None:
    answer = costs().solve("min concurrency subject to cost <= 0.5 $ with S = 2048, O = 256, price = 2 $/h")
    assert answer.value is not None
    at, less = (predicted(concurrency=answer.value - minus, price="2 $/h").cost for minus in (0, 1))
    assert at <= 0.5 < less
    rate = costs().solve("max rate subject to power <= 300 W with S = 2048, O = 256").value
    assert rate is not None
    assert predicted(rate=rate).power == pytest.approx(300, rel=1e-2)
