"""Ask symsim everything about every config of a folder: params, flops, cache, memory and the formula of TPOT.

    python tests/oracle/check_published.py FOLDER [NAME ...]

FOLDER: NAME/config.json, or NAME.json; NAME: only those that begin so.  Prints a line for each that is not answered in
full, with the sentence that says why, and `N answered in full, N refused with reason, N wrong`; exit 0 where all are.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.commands import run
from tests.oracle.case_sentences import Judgement, refusal
from tests.oracle.check_cases import answers_due


def check(model: str) -> Judgement:
    """Whether a config is answered in full; the first command that it is not is named."""
    for words in (("params", model), *answers_due(model)):
        try:
            finding = refusal(run(*words))
        except Exception as error:  # whatever it is, it is the finding
            finding = False, f"{type(error).__name__}: {str(error)[:200]}"
        if finding is not None:
            return finding[0], f"{words[0]}: {finding[1].replace(model, '')}"
    return True, ""


def configs(folder: Path, names: list[str]) -> Iterator[Path]:
    """The configs of a folder whose names begin as one of the names does."""
    for path in sorted(folder.iterdir()):
        is_config = (path / "config.json").is_file() or path.suffix == ".json"
        if is_config and (not names or path.name.startswith(tuple(names))):
            yield path


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("folder", type=Path)
    ask.add_argument("names", nargs="*")
    told = ask.parse_args()
    verdicts: list[bool | None] = []
    for path in configs(told.folder, told.names):
        verdict, why = check(str(path))
        verdicts.append(verdict)
        if verdict is not True:
            print(f"{'wrong' if verdict is False else 'refused'}  {path.name}: {why}", flush=True)
    full, refused, wrong = (verdicts.count(verdict) for verdict in (True, None, False))
    print(f"{full} answered in full, {refused} refused with reason, {wrong} wrong")
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
