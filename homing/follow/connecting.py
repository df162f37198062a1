"""What feeds have in common: who we are to them, and connecting again when they are lost."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from features.clock import Clock
from features.errors import SettingsError
from homing.declaring import filled
from homing.follow.declared import Auth
from homing.patience import seconds_to_wait

CONNECT_SECONDS: Final = 10.0
"""How long connecting may take."""
STEADY_SECONDS: Final = 30.0
"""A connection that lasted so long was a good one, though nothing came: feeds may be quiet."""

_log = structlog.get_logger("homing.follow")


class Around(NamedTuple):
    """What a stream has around it.

    Attributes:
        value_of: Name of a variable → its value; raises SettingsError where there is none.
        folder: The feed's own, for where it goes on.
        clock: Tells how far away a date is.
        lost: Called whenever a connection is lost.
    """

    value_of: Callable[[str], str]
    folder: Path
    clock: Clock
    lost: Callable[[], None]


class Lost(NamedTuple):
    """A connection that is no more, or never was, and may be again.

    Attributes:
        reason: Why; shows no secret.
        after: Seconds that the feed asks us to wait.
        moved: Whether something was taken from it.
    """

    reason: str
    after: float | None = None
    moved: bool = False


def keep_connected(
    connect: Callable[[], Lost | None], stop: threading.Event, lost: Callable[[], None]
) -> None:
    """Connect again and again, later and later while nothing comes of it.

    Args:
        connect: Follows the feed until it is lost; None when it has ended for good.
        stop: Ends it.
        lost: Called with every loss, to be counted.
    """
    attempt = 0
    while not stop.is_set():
        begun = time.monotonic()
        loss = connect()
        if loss is None or stop.is_set():
            return
        lost()
        steady = time.monotonic() - begun >= STEADY_SECONDS
        attempt = 1 if loss.moved or steady else attempt + 1
        seconds = seconds_to_wait(attempt, loss.after)
        _log.warning("connects again", reason=loss.reason, seconds=round(seconds, 2))
        stop.wait(seconds)


def credentials(
    auth: Auth | None, value_of: Callable[[str], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and parameters that say who we are.

    Args:
        auth: The way; nobody without one.
        value_of: Name of a variable → its value.

    Raises:
        SettingsError: A variable is not set.
    """
    if auth is None:
        return {}, {}
    match auth.type:
        case "bearer":
            return {"Authorization": f"Bearer {value_of('TOKEN')}"}, {}
        case "basic":
            pair = f"{value_of('USERNAME')}:{value_of('PASSWORD')}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}
        case "api_key":
            shown = {auth.name: value_of("API_KEY")}
            return (shown, {}) if auth.location == "header" else ({}, shown)


def filled_headers(
    headers: Mapping[str, str], auth: Auth | None, value_of: Callable[[str], str]
) -> dict[str, str]:
    """The headers of a file, and those that say who we are.

    Args:
        headers: Name → value, which may name variables.
        auth: Who we are.
        value_of: Name of a variable → its value.

    Raises:
        SettingsError: A variable is not set, or no header can have it; shows no value.
    """
    made = {name: str(filled(value, value_of)) for name, value in headers.items()}
    made |= credentials(auth, value_of)[0]
    for name, value in made.items():
        if not (value.isascii() and value.isprintable() and name.isascii() and name.isprintable()):
            message = f"the header {name} has signs that none can have: see to its variable"
            raise SettingsError(message)
    return made
