"""Files and numbers that nobody means: each is refused in a sentence that names the file, and at once."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import symsim
from symsim.algebra.units import exact_number, parse_quantity
from symsim.errors import BadUnit, ConfigError, DataError, SymsimError
from symsim.inputs.config import load_config
from symsim.inputs.device import load_device
from symsim.paths import HARDWARE
from symsim.quantization.patterns import check_expression, names_module
from symsim.quantization.reader import keys_beside, read_quantization

GIANTS = ["1e999999999", "1e-99999999", "1e400", "9" * 5000, f"0.{1:05000}", "1e" + "9" * 5000, "1e61", "1e-61"]


@pytest.mark.parametrize("number", GIANTS, ids=lambda text: text[:14])
def test_giant_numbers_are_no_quantities(number: str) -> None:
    with pytest.raises(BadUnit, match="is no number of a quantity; expected 0, or 1e-60 to 1e60"):
        parse_quantity(f"{number} TB/s", "B/s")


def test_usual_numbers_are_exact() -> None:
    assert exact_number("1e60") == 10**60
    assert exact_number("-2.50") == Fraction(-5, 2)
    assert exact_number("0") == 0
    with pytest.raises(BadUnit, match="is not a number"):
        parse_quantity("\u0663 GB", "B")


def device_with(line: str, folder: Path) -> Path:
    key = line.partition(" =")[0]
    text = (HARDWARE / "h20.toml").read_text()
    (folder / "device.toml").write_text(re.sub(rf"(?m)^{key} = .*$", lambda _: line, text, count=1))
    return folder / "device.toml"


@pytest.mark.parametrize("number", [*GIANTS, "inf", "nan", "true", "-1e9999"], ids=lambda text: text[:14])
@pytest.mark.parametrize("pattern", ['hbm_bandwidth = "{} TB/s"', "mfu = {}"], ids=["text", "number"])
def test_giant_numbers_of_a_device(pattern: str, number: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"device\.toml"):
        load_device(device_with(pattern.format(number), tmp_path))


def test_an_unknown_cost_model_of_a_device(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text((HARDWARE / "h20.toml").read_text() + '\n[cost_model.rofline]\npeak_bf16 = "1 TFLOP/s"\n')
    with pytest.raises(DataError, match="there is no field rofline; did you mean roofline"):
        load_device(path)


FILES: dict[str, bytes] = {
    "binary": b"\xff\xfe\x00",
    "empty": b"",
    "deep": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep toml": b"a = " + b"[" * 5000,
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "toml digits": b"a = " + b"9" * 5000,
    "a list": b"[1]",
    "twice": b'{"vocab_size": 1, "vocab_size": 2}',
}


@pytest.mark.parametrize("content", FILES.values(), ids=list(FILES))
@pytest.mark.parametrize(
    ("name", "load"),
    [("config.json", load_config), ("device.toml", load_device), ("hf_quant_config.json", keys_beside)],
    ids=["config", "device", "hf_quant_config"],
)
def test_files_of_another_kind(content: bytes, name: str, load: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SymsimError, match=re.escape(name)) as caught:
        load(path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("word", ["x" * 300, "a/" * 3000, "a\0b", "x" * 200_000], ids=["long", "deep", "nul", "huge"])
@pytest.mark.parametrize("load", [load_config, load_device])
def test_words_that_name_no_file(load: Callable[[str], object], word: str) -> None:
    with pytest.raises(SymsimError, match=r"no (model|device) .*: neither a bundled name nor a") as caught:
        load(word)
    assert len(str(caught.value)) < 2000


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("\ufeff" + json.dumps({"a": 1}))
    assert load_config(path).keys == {"a": 1}


CATASTROPHIC = ["^(([a-z_.0-9])+)+$!", "(a|aa)+$", "(.*)*!", ".*" * 30 + "!", "(?!(.*)*!)(([a-z.])*)*!"]


@pytest.mark.parametrize("expression", CATASTROPHIC)
def test_patterns_take_linear_time(expression: str) -> None:
    started = time.process_time()
    assert not names_module("regex", expression, "model.layers.3." + "a" * 200)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("expression", "named", "others"),
    [
        (r".*mlp\.(gate|up|gate_up|down)_proj.*", "model.layers.3.mlp.up_proj", "model.layers.3.mlp.gate"),
        (r".*experts\.[0-9]+\..*", "layers.1.mlp.experts.17.up_proj", "layers.1.mlp.shared_experts.up_proj"),
        (r"^(?!.*\.experts\.).*$", "model.layers.3.self_attn.q_proj", "model.layers.3.mlp.experts.0.up_proj"),
        (r"(?!.*attn)(?!.*(gate|router)$).*layers.*", "model.layers.3.mlp.up_proj", "model.layers.3.mlp.gate"),
        (r".*lm_head", "lm_head", "model.embed_tokens"),
    ],
)
def test_patterns_of_checkpoints_mean_what_they_meant(expression: str, named: str, others: str) -> None:
    for module in (named, others):
        assert names_module("equal or re:", f"re:{expression}", module) == bool(re.match(expression, module))
    assert names_module("equal or re:", f"re:{expression}", named)


@pytest.mark.parametrize("expression", ["(", r"(?<=a)b", r"(a)\1", "((a{1000}){1000}){1000}"])
def test_a_pattern_that_is_not_read_is_refused(expression: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: .* is not a regular expression that RE2 reads"):
        check_expression(expression, "config.json")
    stated = {"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": ["("]}
    assert read_quantization({"quantization_config": stated}).method == "awq"  # a substring there, no expression


def test_the_command_refuses_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(FILES["deep"])
    with pytest.raises(ConfigError, match="nested too deeply; expected a JSON object with the keys of a model"):
        symsim.params(tmp_path)


def test_a_size_of_zero_that_something_is_divided_by() -> None:
    form = symsim.compile("qwen3-8b", "h20", cost_model="roofline").max_batch.form
    zero = replace(form, bound=replace(form.bound, values={**form.bound.values, "d": Fraction(0)}))
    with pytest.raises(SymsimError, match=r"divides by zero at this point: d = 0 \(head_dim\)$"):
        zero.evaluate(S=1024, O=64)
