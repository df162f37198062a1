"""What all tests share."""

from __future__ import annotations

import structlog
from hypothesis import HealthCheck, settings

# A busy machine makes an example slow; that says nothing of the code.
settings.register_profile("homing", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("homing")

# Without a setting an error is drawn with all that every function knew: seconds, on a busy machine.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)
