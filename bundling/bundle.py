"""Write the bundled checkpoints: minimal configs, and index.json with figures. `python bundling/bundle.py FOLDER...`

FOLDER holds published files: VENDOR--MODEL/config.json, with hf_quant_config.json beside it where there is one, or
VENDOR--MODEL_config.json (the wheel `aiconfigurator-core` on PyPI has them so). Checkpoints without such a file come
from figures.toml. What stays of a config are the keys that its family reads or names as not counted, and the
quantisation. A model that the graphs do not answer is left out, with the reason.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import symsim
from symsim.errors import SymsimError
from symsim.inputs.config import load_config
from symsim.inputs.model_names import bundled_name
from symsim.language.library import load_library
from symsim.model.architecture import described
from symsim.model.family import Family, find_family
from symsim.model.match import find_model, section_of
from symsim.paths import CONFIGS

SOURCE = Path(__file__).parent / "figures.toml"
KEPT = (
    "architectures",
    "model_type",
    "torch_dtype",
    "dtype",
    "max_position_embeddings",
    "quantization_config",
    "compression_config",
    "expert_dtype",
    "scale_fmt",
    "num_labels",
)
"""What every config keeps: what it is, its dtype, its context and its quantisation; of reward models the scores."""

FIRST = ("deepseek-ai/DeepSeek-V3",)
"""Those that give their name to the file, where several have the same sizes."""

NAMES: Mapping[str, str] = {"Qwen/Qwen3-Next-80B-A3B-Instruct": "qwen3-next-80b-a3b"}
"""Names that are older than the rule."""

BESIDE = "hf_quant_config.json"


def main(folders: list[str]) -> int:
    found: dict[str, dict[str, Any]] = {}
    written: dict[str, str] = {}  # text without its source -> name
    files: dict[str, str] = {}
    configs: dict[str, Any] = {}
    known = sorted(published(map(Path, folders)), key=lambda file: (file[0] not in FIRST, file[0]))
    for id, config, beside, source in chain(known, stated(SOURCE, configs)):
        name = NAMES.get(id, bundled_name(id))
        if name in found:
            continue  # the same model of two folders, or an id with and without a prefix
        try:
            found[name], text = bundled(id, config, beside, source)
        except SymsimError as error:
            print(f"left out: {id}: {str(error).split(': ', 1)[-1]}", file=sys.stderr)
            continue
        configs[name] = config
        same = written.setdefault(text, name)
        if same != name:
            found[name] = {"id": id, "same": same}
        else:
            files[name] = text.replace('"_source": ""', f'"_source": {json.dumps(source)}', 1)
    for old in CONFIGS.glob("*.json"):
        old.unlink()
    for name, text in files.items():
        (CONFIGS / f"{name}.json").write_text(text)
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(found.items()))
    (CONFIGS / "index.json").write_text(f"{{\n{rows}\n}}\n")
    print(f"{len(found)} checkpoints in {len(written)} files")
    return 0


def published(folders: Iterator[Path]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any] | None, str]]:
    """Id, config, quantisation beside it, and source of each published file."""
    for folder in folders:
        for path in sorted((*folder.glob("*/config.json"), *folder.glob("*_config.json"))):
            stem = path.parent.name if path.name == "config.json" else path.name.removesuffix("_config.json")
            if stem.endswith("_hf_quant") or ("--" not in stem and stem not in PUBLISHED_AS):
                continue
            near = path.parent / BESIDE if path.name == "config.json" else path.parent / f"{stem}_{BESIDE}"
            id = PUBLISHED_AS.get(stem, stem.replace("--", "/", 1))
            beside = json.loads(near.read_text()) if near.is_file() else None
            yield id, json.loads(path.read_text()), beside, f"https://huggingface.co/{id}"


PUBLISHED_AS: Mapping[str, str] = {
    "ome--baichuan2_7b": "baichuan-inc/Baichuan2-7B-Base",
    "ome--dbrx_132b": "databricks/dbrx-base",
    "ome--exaone_7.8b": "LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct",
    "ome--gte_qwen2_7b": "Alibaba-NLP/gte-Qwen2-7B-instruct",
    "ome--internlm2_7b": "internlm/internlm2-7b",
    "ome--llama3_2_90b_vision": "meta-llama/Llama-3.2-90B-Vision",
    "ome--llama4": "meta-llama/Llama-4-Scout-17B-16E",
    "ome--minicpm3_4b": "openbmb/MiniCPM3-4B",
    "ome--phi3small": "microsoft/Phi-3-small-8k-instruct",
    "ome--qwen2_vl_2b": "Qwen/Qwen2-VL-2B-Instruct",
    "ome--qwen3_vl_235b": "Qwen/Qwen3-VL-235B-A22B-Instruct",
    "ome--qwen3_vl_30b_a3b_instruct": "Qwen/Qwen3-VL-30B-A3B-Instruct",
    "ome--skywork_reward_llama": "Skywork/Skywork-Reward-Llama-3.1-8B",
    "ome--xverse_7b": "xverse/XVERSE-7B",
    "qwen3-next-80B-A3B": "Qwen/Qwen3-Next-80B-A3B-Instruct",
}
"""Ids of files that are named otherwise; `ome`: github.com/sgl-project/ome, pkg/hfutil/modelconfig/testdata."""


def stated(path: Path, configs: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], None, str]]:
    """The same of each row of figures.toml, the last of them like one of the configs before.

    A row whose parameters count otherwise stops the script.
    """
    tables = tomllib.loads(path.read_text())
    like = tables.pop("like")
    for name, group in tables.items():
        columns, keys, source = group.pop("columns"), group.pop("keys"), group.pop("source")
        for id, values in group.items():
            config = {**keys, **dict(zip(columns, values, strict=True))}
            total = config.pop("total", None)
            if total is not None and (counted := symsim.params(_written(config)).total) != total:
                raise SystemExit(f"figures.toml: [{name}] {id}: {counted} parameters, the model's page says {total}")
            yield id, config, None, source
    recipes = tomllib.loads((CONFIGS / "names.toml").read_text())["recipes"]
    for id, row in like.items():
        config = {key: value for key, value in configs[row["of"]].items() if key != "quantization_config"}
        stated = row.get("quantization_config") or recipes.get(row["format"], {}).get("quantization_config")
        yield id, config | ({"quantization_config": stated} if stated else {}), None, row["source"]


def bundled(
    id: str, config: Mapping[str, Any], beside: Mapping[str, Any] | None, source: str
) -> tuple[dict[str, Any], str]:
    """The row of the index, and the text of the file with its source left blank.

    Raises SymsimError where the model has no answer.
    """
    full = _family(config, beside)
    one = _joined(config, beside) if beside is not None else dict(config)
    small = {"_source": "", **minimal(one)}
    family = _family(small)
    if family.quantization != full.quantization and family.quantization.formats != full.quantization.formats:
        raise SystemExit(f"{id}: the minimal config says {_format(family)}, the full one {_format(full)}")
    for path in {re.sub(r"experts\.\d+", "experts.*", listed) for listed in full.quantization.listed}:
        if family.quantization.format_of(path) != full.quantization.format_of(path):
            raise SystemExit(f"{id}: {path} has another format in the minimal config than in the full one")
    counts = symsim.params(family)
    if counts.as_dict() | {"not_counted": []} != symsim.params(full).as_dict() | {"not_counted": []}:
        raise SystemExit(f"{id}: the minimal config counts otherwise than the full one")
    text = dict(small) | dict(small.get(section_of(family.config, family.library) or "", {}))
    row = {"id": id, "total": counts.total, "active": counts.active, "format": _format(family)}
    return {**row, "context": text.get("max_position_embeddings")}, _text(small)


def minimal(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that the families of any cost model read or name as left out."""
    loaded = load_config(_written(config))
    read: set[str] = set()
    for cost_model in ("roofline", "infersim"):
        library = load_library(cost_model)
        try:
            read |= described(find_model(loaded, library)) | library.omitted | library.sections
        except SymsimError:
            continue

    def kept(keys: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: kept(value) if key in ("text_config", "llm_config", "language_config") else _plain(key, value)
            for key, value in keys.items()
            if key in KEPT or (key in read and not key.startswith("_"))
        }

    scores = any(str(name).endswith("ForSequenceClassification") for name in config.get("architectures", ()))
    labels = {"num_labels": len(config["id2label"])} if scores and "id2label" in config else {}
    return {**kept(config), **labels}


def _plain(key: str, value: Any) -> Any:
    """A vision or audio tower by its sizes alone."""
    if key in ("vision_config", "audio_config", "vision_tower_config") and isinstance(value, dict):
        return {name: entry for name, entry in value.items() if isinstance(entry, int) and not name.endswith("_id")}
    return value


def _joined(config: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """The config with the quantisation of the file beside it, where it states none of its own."""
    if "quantization_config" in config:
        return dict(config)
    stated = {"quant_method": "modelopt", **beside["quantization"]}
    if "quantized_layers" in stated:
        stated["quantized_layers"] = _experts_at_once(stated["quantized_layers"])
    return {**config, "quantization_config": stated}


def _experts_at_once(layers: Mapping[str, Any]) -> dict[str, Any]:
    """One entry for the experts of a layer that all have one format, in place of hundreds."""
    inside: dict[str, list[Any]] = {}
    for path, value in layers.items():
        inside.setdefault(path.partition(".experts.")[0], []).append(value)
    found: dict[str, Any] = {}
    for path, value in layers.items():
        holder, _, expert = path.partition(".experts.")
        alike = expert and all(other == value for other in inside[holder])
        found[f"{holder}.experts" if alike else path] = value
    return found


def _format(family: Family) -> str:
    found = family.quantization
    names = sorted({layer.name for layer in found.formats} - {"bf16 x bf16"}) or ["bf16"]
    return " + ".join(names) + ("" if found.kv.name == "bf16" else f", KV cache {found.kv.name}")


def _text(config: Mapping[str, Any]) -> str:
    """One key a line; what is inside stays on it."""
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in config.items()) + "\n}\n"


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _written(config: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> Path:
    """A folder of its own, kept until the script ends."""
    _FOLDERS.append(tempfile.TemporaryDirectory())
    folder = Path(_FOLDERS[-1].name)
    (folder / "config.json").write_text(json.dumps(config))
    if beside is not None:
        (folder / BESIDE).write_text(json.dumps(beside))
    return folder


def _family(config: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> Family:
    return find_family(_written(config, beside))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
