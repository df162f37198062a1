"""`homing check` and `compact`: looking after what is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta

import msgspec

from features.clock import SystemClock
from features.errors import HomingError
from features.settings import Settings, load_settings
from features.sources.opening import open_sources
from features.sources.variables import shown
from features.stores.opening import open_log, open_stores
from serving.keys import KeyFile
from serving.ranking.blocks import load_blocks


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a running service needs.

    Attributes:
        name: What it is.
        sound: Whether it can be used.
        says: What was found, or what is wrong and the cure.
    """

    name: str
    sound: bool
    says: str


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """Settings and whether what they name can be used.

    Attributes:
        settings: Name → value, secrets starred out.
        checks: One row a thing.
        sound: Whether all of them can be used.
    """

    settings: dict[str, str]
    checks: tuple[Checked, ...]
    sound: bool

    def lines(self) -> Iterable[str]:
        """The report as a person reads it."""
        yield from (f"HOMING_{name.upper()}={value}" for name, value in self.settings.items())
        yield ""
        for check in self.checks:
            yield f"{'ok  ' if check.sound else 'FAIL'}  {check.name}: {check.says}"


class CompactReport(msgspec.Struct, frozen=True, kw_only=True):
    """What maintenance of the lake did."""

    files_before: int
    files_after: int
    deleted: int

    def lines(self) -> Iterable[str]:
        """The report as a person reads it."""
        yield f"{self.files_before} files became {self.files_after}; {self.deleted} were deleted"


def check_settings() -> CheckReport:
    """Try what the settings name but MLflow, without changing any of it but empty stores.

    Raises:
        SettingsError: A setting has a value that can't be read at all.
    """
    settings = load_settings(Settings)
    told = {name: _redacted(str(value)) for name, value in settings.model_dump().items()}
    told |= {name.removeprefix("HOMING_"): value for name, value in shown(os.environ).items()}
    checks = (
        _check("secret", lambda: _secret(settings)),
        _check("profile store", lambda: _stores(settings)),
        _check("event log", lambda: _log(settings)),
        _check("webhooks", lambda: ", ".join(open_sources(settings, os.environ)) or "none"),
        _check("lake", lambda: _lake(settings)),
        _check("blocks", lambda: ", ".join(load_blocks(settings.blocks_file))),
        _check(
            "api keys",
            lambda: f"{len(KeyFile(settings.resolved_keys_file(), SystemClock()).all())} keys",
        ),
    )
    return CheckReport(settings=told, checks=checks, sound=all(check.sound for check in checks))


def _check(name: str, look: Callable[[], str]) -> Checked:
    try:
        return Checked(name=name, sound=True, says=look())
    except HomingError as error:
        return Checked(name=name, sound=False, says=str(error))


def _redacted(value: str) -> str:
    """A setting as it may be shown: a URL without its password."""
    scheme, slashes, rest = value.partition("://")
    if not slashes:
        return value
    _, at, place = rest.rpartition("@")
    place, mark, _ = place.partition("?")  # options may hold a password too
    return f"{scheme}://" + ("***@" if at else "") + place + ("?***" if mark else "")


def _secret(settings: Settings) -> str:
    settings.customer_keys()
    return "long enough"


def _stores(settings: Settings) -> str:
    stores = open_stores(settings.resolved_store_url())
    try:
        stores.profiles.ping()
        return f"{stores.profiles.count():,} profiles, {stores.catalogue.count():,} items"
    finally:
        stores.close()


def _log(settings: Settings) -> str:
    log = open_log(settings.resolved_log_url())
    try:
        depths = ", ".join(f"{log.depth(name):,} for the {name}" for name in ("profiles", "lake"))
        return f"waiting: {depths}"
    finally:
        log.close()


def _lake(settings: Settings) -> str:
    try:
        from features.lake import Lake  # noqa: PLC0415 - see `compact_lake`
    except ModuleNotFoundError as error:
        if error.name not in ("deltalake", "pyarrow"):
            raise
        return "not looked at: this installation only serves"
    lake = Lake(settings.resolved_lake_path())
    if not lake.exists():
        return "no history yet: homing import"
    return f"version {lake.version()} of the events, {len(lake.files()):,} files"


def compact_lake(settings: Settings, keep_days: int) -> CompactReport:
    """Join the lake's small files, then delete those that no version of the last days needs.

    Raises:
        LakeMissing: There is none.
        LakeUnavailable: It can't be read or written.
    """
    from features.lake import Lake  # noqa: PLC0415 - the image that serves holds no Delta library

    report = Lake(settings.resolved_lake_path()).maintain(timedelta(days=keep_days))
    return CompactReport(
        files_before=report.files_before, files_after=report.files_after, deleted=report.deleted
    )
