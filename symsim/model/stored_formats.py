"""What a deployment leaves to the checkpoint: the formats of linear layers, by kind of layer, and of the KV cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from symsim.algebra.symbols import weight_symbol
from symsim.errors import ConfigError, DeploymentError
from symsim.inputs.cost_model import CostModel
from symsim.inputs.deployment import CHECKPOINT, PLAIN, Deployment
from symsim.inputs.source import Source
from symsim.model.architecture import Architecture
from symsim.model.family import Family
from symsim.model.layer_kinds import ALIKE, LayerKind, free_name
from symsim.model.weight_paths import bodies, modules, refuse_large, stored_as
from symsim.quantization.asked import quantisation_asked
from symsim.quantization.formats import Format
from symsim.quantization.layers import BF16, Formats, LayerFormat, Mixture, Quantization


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A family as a deployment serves it. deployment: with every precision decided, `checkpoint` where the formats are
    the checkpoint's own and no precision of the whole; family: its kinds of layers told apart by format.

    formats: of the modules outside of layers, None where the deployment gives the weights their precision;
    kv: the format of the KV cache where the checkpoint gives it; notes: sentences on what was read or overridden.
    """

    family: Family
    deployment: Deployment
    formats: Formats | None = None
    kv: Format | None = None
    origin: str = ""
    notes: tuple[str, ...] = ()

    @property
    def stored(self) -> Mapping[str, tuple[Format, str]]:
        """Symbol of bytes -> the format of weights or cache whose bytes it is, and the file that says so.

        Raises ConfigError for two formats of one name, such as groups with zero points and without.
        """
        found = {} if self.kv is None else {"b_kv": (self.kv, self.origin)}
        for layer in self.every:
            name = weight_symbol(layer.weight.name)
            known = found.setdefault(name, (layer.weight, self.origin))[0]
            if known.bytes_per_weight != layer.weight.bytes_per_weight:
                raise ConfigError(
                    f"{self.origin}: two formats are {layer.weight.name}, with different scales; expected one"
                )
        return found

    @property
    def every(self) -> tuple[LayerFormat, ...]:
        """All formats of linear layers, each once."""
        kinds = (kind.formats for kind in self.family.sizes.kinds)
        found = (mixture for formats in (self.formats or (), *kinds) for _, mixture in formats)
        return tuple(dict.fromkeys(layer for mixture in found for layer in mixture.layers))


def serve(family: Family, deployment: Deployment, cost_model: CostModel) -> ServedModel:
    """Decide the precisions that a deployment leaves open as the cost model does: in bf16, or as the checkpoint says.

    Raises DeploymentError for `checkpoint` under a cost model that reads no formats, ConfigError for a quantisation
    that is not understood, or whose formats one operator cannot have.
    """
    if not cost_model.reads_checkpoint:
        return _as_deployed(family, deployment, cost_model)
    gemm, kv = deployment.gemm or CHECKPOINT, deployment.kv or CHECKPOINT
    notes = list(_overridden(family, deployment))
    if gemm in PLAIN and kv != CHECKPOINT:
        return ServedModel(family, replace(deployment, gemm=gemm, kv=kv), notes=tuple(notes))
    cache: Format | None = None
    if kv == CHECKPOINT:
        found = family.quantization
        cache, kv = found.kv, found.kv.name if found.kv.name in PLAIN else CHECKPOINT
        notes += [f"the KV cache is in {found.kv.name}, as {found.origin} says"] if cache != BF16.weight else []
    if gemm == CHECKPOINT and family.quantization.formats <= {BF16}:
        gemm = "bf16"
    decided = replace(deployment, gemm=gemm, kv=kv)  # pyright: ignore[reportArgumentType]
    if gemm in PLAIN:
        return ServedModel(family, decided, None, cache, family.quantization.origin, tuple(notes))
    found = _formats_of(family, gemm)
    told_apart, outside = _by_format(family, gemm)
    served = ServedModel(told_apart, decided, outside, cache, found.origin)
    missing = found.formats - set(served.every) - {BF16}
    names = ", ".join(sorted(layer.name for layer in missing))
    notes += [f"{found.origin}: no operator of {family.model.name} has the format {names}"] if missing else []
    return replace(served, notes=tuple(notes))


def _formats_of(family: Family, gemm: str) -> Quantization:
    """The formats of the checkpoint, or those that a deployment asks of all weights."""
    return family.quantization if gemm == CHECKPOINT else quantisation_asked(gemm)


@lru_cache(maxsize=32)
def _by_format(family: Family, gemm: str) -> tuple[Family, Formats]:
    """A family with its kinds of layers told apart by format, and the formats outside of layers: as its checkpoint has
    them or the deployment asks, in whatever way it is deployed."""
    found = _formats_of(family, gemm)
    outside = _formats(modules(family.model.body, family.library, {}), family, found, None)
    return replace(family, sizes=_told_apart(family, found)), tuple(outside)


def _as_deployed(family: Family, deployment: Deployment, cost_model: CostModel) -> ServedModel:
    """Every weight in the precision of the deployment, bf16 where it states none."""
    for name in ("gemm", "kv"):
        if getattr(deployment, name) == CHECKPOINT:
            raise DeploymentError(
                f"{name} = checkpoint: the {cost_model.name} cost model reads no formats of weights; choose bf16 or fp8"
            )
    if deployment.gemm not in (None, *PLAIN):
        raise DeploymentError(
            f"gemm = {deployment.gemm}: the {cost_model.name} cost model knows bf16 and fp8; choose one of them"
        )
    if deployment.kv not in (None, "bf16", "fp8"):
        raise DeploymentError(f"kv = {deployment.kv}: the {cost_model.name} cost model counts a cache in bf16 or fp8")
    decided = replace(deployment, gemm=deployment.gemm or "bf16", kv=deployment.kv or "bf16")
    notes = [
        f"{stated}: the {cost_model.name} cost model does not read it; gemm {decided.gemm} and kv {decided.kv} stand "
        "for all weights and the KV cache"
        for stated in family.states_quantization
    ]
    return ServedModel(family, decided, notes=tuple(notes))


def _overridden(family: Family, deployment: Deployment) -> tuple[str, ...]:
    """What the deployment says otherwise than a quantised checkpoint may."""
    said = [
        f"{name} {value}" for name in ("gemm", "kv") if (value := getattr(deployment, name)) not in (None, CHECKPOINT)
    ]
    return tuple(
        f"{' and '.join(said)} stand in for what {stated} says" for stated in family.states_quantization if said
    )


_EXPERTS = "E"
"""The letter of families for how many experts `*` in a path stands for."""


def _formats(
    paths: Iterable[str], family: Family, found: Quantization, layer: int | None
) -> Iterator[tuple[str, Mixture]]:
    """Module path of the graph text -> its formats, sorted; a module that is stored as several has those of all."""
    experts = family.sizes.values.get(_EXPERTS)
    for path in sorted(set(paths)):
        stored = stored_as(path, family.model, family.library, in_layer=layer is not None)
        kinds = {name: found.mixture(name, layer, experts) for name in stored}
        if len(set(kinds.values())) > 1:
            stated = ", ".join(f"{name} {kind.name}" for name, kind in kinds.items())
            raise ConfigError(f"{found.origin}: {path} of {family.model.name} is stored in two formats: {stated}")
        yield path, kinds[stored[0]]


def _told_apart(family: Family, found: Quantization) -> Architecture:
    """The sizes of a family whose kinds of layers are told apart by the formats of their modules."""
    refuse_large(family.model, family.library)
    statements = {statement.span: statement for statement in bodies(family.model.body)}
    taken = {kind.name for kind in family.sizes.kinds}
    kinds: list[LayerKind] = []
    values, sources = dict(family.sizes.values), dict(family.sizes.sources)
    for kind in family.sizes.kinds:
        paths = list(modules(statements[kind.statement].body, family.library, dict(kind.outcomes)))
        groups: dict[Formats, list[int]] = {}
        for layer in kind.layers:
            groups.setdefault(tuple(_formats(paths, family, found, layer)), []).append(layer)
        decided: tuple[str, ...] = ()
        if len(groups) > 1 and kind.symbol is not None:
            decided = sources.pop(kind.symbol).keys
            del values[kind.symbol]
        for formats, layers in groups.items():
            name = kind.name if len(groups) == 1 else free_name(f"{kind.name}_{_words(formats, groups)}", taken)
            symbol = kind.symbol if len(groups) == 1 else f"L_{name.removeprefix(f'{ALIKE}_')}"
            kinds.append(replace(kind, name=name, symbol=symbol, layers=tuple(layers), formats=formats))
            if symbol is not None and symbol not in values:
                values[symbol] = len(layers)
                note = f"{len(layers)} of {kind.count} layers"
                sources[symbol] = Source(how="checkpoint", file=found.origin, keys=decided, note=note)
    return replace(family.sizes, values=values, sources=sources, kinds=tuple(kinds))


def _words(formats: Formats, groups: Mapping[Formats, object]) -> str:
    """The elements of the formats in which a group of layers differs from the others of its kind."""
    columns = zip(*groups, strict=True)
    differing = {column[0][0] for column in columns if len({mixture for _, mixture in column}) > 1}
    layers = (layer for path, mixture in formats if path in differing for layer in mixture.layers)
    return "_".join(dict.fromkeys(layer.weight.element.name for layer in layers))
