"""A process that does nothing but wake: `python -m tests.faults.idle`.

When its standard input ends it prints how late it woke, at worst and at the 99.9th percentile, in
seconds. Nothing that is measured on this machine meanwhile is more exact.
"""

from __future__ import annotations

import json
import select
import sys
import time

STEP = 0.005


def main() -> None:
    """Wake every `STEP` until standard input ends."""
    late = [0.0]
    while True:
        before = time.perf_counter()
        readable, _, _ = select.select([sys.stdin], [], [], STEP)
        if readable:
            break
        late.append(time.perf_counter() - before - STEP)
    late.sort()
    sys.stdout.write(json.dumps([late[-1], late[int(0.999 * (len(late) - 1))]]))


if __name__ == "__main__":
    main()
