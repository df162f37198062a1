"""One target under atheris: `python -m tests.fuzz.guided NAME FOLDER [option of libFuzzer…]`.

A process of its own, for libFuzzer ends the process when it is done or has found something: 77 is
the status of an error that nobody declared. Cases are guided by which branches of ours they reach
(https://github.com/google/atheris, https://llvm.org/docs/LibFuzzer.html). Half of the changes are
libFuzzer's own, half keep the form of what is changed (`mutation`).
"""

from __future__ import annotations

import logging
import random
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]  # not everywhere, and without types

with atheris.instrument_imports(include=["features", "serving", "homing"]):
    from tests.fuzz.known import targets
    from tests.fuzz.mutation import mutated
    from tests.fuzz.target import Target

from features.errors import HomingError


def _change(case: bytes, most: int, seed: int) -> bytes:
    draws = random.Random(seed)  # noqa: S311 - spreads cases, and keeps no secret
    if draws.random() < 1 / 2:
        changed: bytes = atheris.Mutate(case, most)
        return changed
    for _ in range(draws.randrange(1, 4)):
        case = mutated(case, draws)
    return case[:most]


def main() -> None:
    """Fuzz until the options' end."""
    _, name, folder, *options = sys.argv
    target: Target = targets()[name]
    seeds = Path(folder) / "seeds"
    seeds.mkdir()
    for place, seed in enumerate(target.seeds):
        (seeds / str(place)).write_bytes(seed)
    logging.disable()

    def take(case: bytes) -> None:
        try:
            target.takes(case)
        except HomingError:
            return

    given = [sys.argv[0], str(seeds), f"-artifact_prefix={folder}/", *options]
    atheris.Setup(given, take, custom_mutator=_change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
