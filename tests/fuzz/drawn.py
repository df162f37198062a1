"""One target under hypothesis, for want of atheris: `python -m tests.fuzz.drawn NAME FOLDER CASES`.

It ends and writes as `guided` does, so that one table holds both; no coverage guides it.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.known import targets
from tests.fuzz.mutation import mutated
from tests.fuzz.target import undeclared

FOUND = 77
"""The status of libFuzzer for an error."""


def main() -> int:
    """Draw cases; `FOUND` when one has an error that nobody declared."""
    _, name, folder, cases = sys.argv
    target = targets()[name]
    taken = 0
    found: tuple[str, bytes] | None = None
    logging.disable()

    @settings(
        max_examples=int(cases),
        phases=[Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(target.seeds), st.randoms(use_true_random=False), st.integers(1, 4))
    def take(case: bytes, random: Random, changes: int) -> None:
        nonlocal taken, found
        for _ in range(changes):
            case = mutated(case, random)
        taken += 1
        told = undeclared(target, case)
        if told is not None:
            found = told, case
        assert told is None

    try:
        take()
    except AssertionError:
        assert found is not None
        told, case = found
        (Path(folder) / "crash-drawn").write_bytes(case)
        sys.stderr.write(told)
    sys.stderr.write(f"stat::number_of_executed_units: {taken}\n")
    return FOUND if found else 0


if __name__ == "__main__":
    sys.exit(main())
