"""The public package of measured kernels -> tables as fits of kernels read them, as calibration/package.toml says.

Needs pandas and pyarrow, and the package itself (extra `measured`).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from symsim.errors import DataError, SymsimError
from symsim.inputs.extras import load_extra
from symsim.paths import CALIBRATION


@cache
def _layout() -> Mapping[str, Any]:
    return tomllib.loads((CALIBRATION / "package.toml").read_text(encoding="utf-8"))


def package_name() -> str:
    """What the package is called where packages are installed from."""
    return str(_layout()["package"])


def package_folder() -> Path:
    """Where the installed package keeps its data. Raises SymsimError where it is not, or in another version."""
    layout = _layout()
    name, known = layout["package"], layout["version"]
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        raise SymsimError(f"{name} is not installed: pip install 'symsim-llm[measured]'") from None
    if found.version != known:
        raise SymsimError(f"{name} {found.version} is installed; the files that are known are those of {known}")
    return Path(str(found.locate_file(layout["data"])))


def package_table(folder: Path, op: str, device: str = "*", engine: str = "*") -> Any:
    """All rows of a table of kernels, as a data frame; None where the package has none. device, engine: as its folders
    are called.

    Raises DataError for a file whose columns are not those that the layout names.
    """
    pandas = load_extra("pandas", "measured", "measured tables need")
    frames = list(_frames(pandas, folder, op, device, engine))
    if not frames:
        return None
    found = pandas.concat(frames, ignore_index=True)
    apart = [name for name in found if name not in ("seconds", "source")]
    return found.drop_duplicates(subset=apart, ignore_index=True)


def _frames(pandas: Any, folder: Path, op: str, device: str, engine: str) -> Iterator[Any]:
    layout = _layout()
    for table in layout["table"]:
        if table["op"] == op:
            for path in sorted(folder.glob(f"{device}/*/{engine}/*/{table['file']}.parquet")):
                try:
                    yield _rows(pandas.read_parquet(path), table, path, layout)
                except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, NameError) as error:
                    raise DataError(f"{path}: not a file as calibration/package.toml describes it: {error}") from None


def _rows(frame: Any, table: Mapping[str, Any], path: Path, layout: Mapping[str, Any]) -> Any:
    device, _, engine, version = path.parts[-5:-1]
    frame = frame.assign(**{name: value for name, value in table.get("missing", {}).items() if name not in frame})
    if "where" in table:
        frame = frame.query(table["where"], engine="python")
    frame = frame.assign(gpus_per_node=layout["gpus_per_node"].get(device, 8))
    about = {"source": f"{layout['package']} {layout['version']}", "device": device, "engine": engine}
    columns = {name: frame.eval(text, engine="python") for name, text in table["columns"].items()}
    found = frame[[]].assign(**about, version=version, **columns)
    for condition in table.get("without", ()):
        found = found.query(f"not ({condition})", engine="python")
    return found
