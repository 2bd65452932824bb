"""What is kept between processes: read again, made again when anything behind it changed, never in the way."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from symsim.inputs import kept as module
from symsim.inputs.kept import INSTALLATIONS, files_below, kept, stamps
from tests.commands import run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder, which this process uses during one test."""
    monkeypatch.setenv("SYMSIM_CACHE", str(tmp_path / "cache"))
    module.own_folder.cache_clear()
    yield tmp_path / "cache"
    module.own_folder.cache_clear()


def fail() -> int:
    raise AssertionError("made again")


def test_it_is_made_once(folder: Path) -> None:
    assert kept("three", lambda: 3) == 3
    assert kept("three", fail) == 3
    assert kept("four", lambda: 4) == 4


def test_a_damaged_file_is_made_again(folder: Path) -> None:
    kept("three", lambda: 3)
    for path in files_below(folder):
        Path(path).write_bytes(b"nothing to read")
    assert kept("three", lambda: 3) == 3
    assert kept("three", fail) == 3


def test_an_error_is_not_kept(folder: Path) -> None:
    with pytest.raises(AssertionError, match="made again"):
        kept("three", fail)
    assert kept("three", lambda: 3) == 3


def test_nothing_is_kept_where_others_may_write(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)
    kept("three", lambda: 3)
    assert not list(files_below(folder))


def test_only_the_latest_installations_stay(folder: Path) -> None:
    for i in range(INSTALLATIONS + 3):
        (folder / str(i)).mkdir(parents=True)
        os.utime(folder / str(i), (i, i))
    folder.chmod(0o700)
    kept("three", lambda: 3)
    assert len(list(folder.iterdir())) == INSTALLATIONS
    assert not (folder / "0").exists()


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    before = stamps(files_below(tmp_path))
    (tmp_path / "a").write_text("ab")
    assert stamps(files_below(tmp_path)) != before


def test_a_command_answers_alike_and_follows_its_file(folder: Path, tmp_path: Path) -> None:
    config = json.loads(Path(module.CONFIGS, "qwen3-8b.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    first = run("params", str(tmp_path), "--json")
    assert first == run("params", str(tmp_path), "--json")
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    assert len(json.loads(run("params", str(tmp_path), "--json").stdout)["layers"]) == 2
