"""`homing follow NAME`: takes what a feed tells as it happens, until stopped."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Final

import structlog

from features.clock import Clock
from features.errors import Unavailable
from features.freshness import listening
from features.stores.opening import open_log
from homing.follow.declared import find_declared
from homing.follow.opening import open_stream
from homing.follow.settings import FollowSettings
from homing.follow.stream import Stream, Take
from homing.follow.taking import Into, Taking
from homing.follow.tally import FollowReport, Tally
from training.lock import only_one

LOOK_SECONDS: Final = 0.1
"""Between two looks whether to stop."""
END_SECONDS: Final = 0.8
"""How long a stream that is told to stop is waited for; nothing is lost with one that does not."""

_log = structlog.get_logger("homing.follow")


def follow(
    settings: FollowSettings,
    name: str,
    environ: Mapping[str, str],
    clock: Clock,
    stop: threading.Event,
) -> FollowReport:
    """Follow a feed until told to stop, or until it ends for good.

    Args:
        settings: Where its file and the event log are.
        name: The feed's.
        environ: Has its secrets.
        clock: Ours.
        stop: Ends it, within a second.

    Raises:
        InputError: There is no such feed, or its file can't be used.
        SettingsError: A secret or a library is missing, or the feed refuses us.
        AlreadyRunning: The feed is being followed.
        Unavailable: Its position can't be kept; the next run goes on where it was.
    """
    declared = find_declared(name, settings.follows_folder)
    keys = settings.customer_keys()
    folder = settings.home / "follow" / declared.name
    with ExitStack() as held:
        held.enter_context(only_one(folder, f"following {name}", clock))
        tally = Tally(declared.name, clock)
        stream = open_stream(declared, environ, folder, clock, tally)
        opened = open_log(settings.resolved_log_url(), clock, settings.log_max_depth)
        log = held.enter_context(closing(opened))
        host, port = settings.follow_host, settings.follow_port
        held.enter_context(listening(tally, host, port, "HOMING_FOLLOW_PORT"))
        _log.info("follows", feed=declared.name)
        run_until_stopped(stream, Taking(declared, Into(log, keys, clock, tally), stop), stop)
        return tally.report()


def run_until_stopped(stream: Stream, take: Take, stop: threading.Event) -> None:
    """Run a stream in a thread of its own, which is left alone if it does not end in time.

    Raises:
        HomingError: What ended it before it was told to.
    """
    ended: list[BaseException] = []

    def run() -> None:
        try:
            stream.run(take, stop)
        except BaseException as error:  # noqa: BLE001 - raised again where it can be seen
            ended.append(error)

    thread = threading.Thread(target=run, name="stream", daemon=True)
    thread.start()
    while thread.is_alive() and not stop.is_set():
        thread.join(LOOK_SECONDS)
    thread.join(END_SECONDS)
    for error in ended:
        if not (stop.is_set() and isinstance(error, Unavailable)):
            raise error
