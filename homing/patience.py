"""How long to wait before asking another system again.

Later and later, with jitter so that not all who were refused come back at once (Brooker,
"Exponential Backoff and Jitter",
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), and not before the time
that `Retry-After` tells (RFC 9110, 10.2.3).
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

FIRST_WAIT: Final = 1.0
"""Seconds; the longest that the first wait takes, and doubled for each that follows."""
MOST_WAIT: Final = 120.0
MOST_AFTER: Final = 900.0
"""Seconds; what a server asks for counts no further."""
AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that tell of what passes."""
_MOST_DOUBLED: Final = 16


def seconds_to_wait(attempt: int, asked: float | None = None) -> float:
    """How long to wait.

    Args:
        attempt: How many in a row have failed, at least one.
        asked: Seconds that the other side asks for; None where it asks for none.
    """
    most = min(MOST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, _MOST_DOUBLED))
    jitter = random.uniform(0, most)  # noqa: S311 - spreads load, and keeps no secret
    return jitter if asked is None else min(MOST_AFTER, asked + min(jitter, FIRST_WAIT))


def retry_after(header: str, now: datetime) -> float | None:
    """The seconds that a `Retry-After` tells; None when it tells nothing.

    Args:
        header: Its value.
        now: Our clock, aware.
    """
    header = header.strip()
    if header.isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
