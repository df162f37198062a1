"""Random names: unguessable, and made many at a time.

Asking the system for randomness is a call that lets other threads go first; a name for each answer
must not cost that.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Final

BYTES: Final = 12
"""Of randomness in a token: 96 bits, so that a billion of them collide with odds of 1 to 10^11."""
_AT_ONCE: Final = 512

_ready: deque[str] = deque()
# Two processes must never hand out the same ones.
os.register_at_fork(after_in_child=_ready.clear)


def token() -> str:
    """`2 * BYTES` hex digits that nobody else has."""
    while True:
        try:
            return _ready.popleft()
        except IndexError:
            digits = os.urandom(BYTES * _AT_ONCE).hex()
            width = 2 * BYTES
            _ready.extend(digits[at : at + width] for at in range(0, len(digits), width))
