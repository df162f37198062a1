"""Structured logs: one JSON object a line on standard error.

What is logged of a person is the customer key, bound as `customer`; nothing else.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

Level = Literal["debug", "info", "warning", "error", "critical"]


def configure_logs(level: Level = "info") -> None:
    """Write JSON lines from this level on; call once a process, before work begins.

    Args:
        level: The least that is written.
    """
    import structlog  # noqa: PLC0415 - slow; settings name levels where nothing is logged

    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
