"""`homing replay`: dead letters listed, shown, repaired, sent again or given up."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from features.clock import SystemClock
from features.errors import InputError, InvalidArgument
from features.letters import Letters, Said, Wanted
from features.repairs import Repair, is_packed, load_repair, repaired
from features.settings import Settings
from features.sources.again import name_of, readers_of
from features.sources.opening import open_sources
from features.stores.opening import open_log, open_stores
from features.stores.ports import Catalogue, DeadLetter
from homing.follow.opening import feed_readers


class Waiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A dead letter that stays.

    Attributes:
        id: Its number.
        source: Who sent it.
        at: When it came.
        bytes: Its length.
        reason: Why it can't be read; or why it was set aside, and what to do.
        body: What it holds, base64; None unless that was asked for.
    """

    id: int
    source: str
    at: datetime
    bytes: int
    reason: str
    body: str | None = None


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters that were looked at.

    Attributes:
        waiting: Letters that stay.
        sent: How many were sent again.
        dropped: How many were given up.
    """

    waiting: tuple[Waiting, ...]
    sent: int
    dropped: int

    def lines(self) -> Iterable[str]:
        """The report as a person reads it."""
        for letter in self.waiting:
            yield (
                f"{letter.id}  {letter.source}  {letter.at:%Y-%m-%d %H:%M:%S}Z  "
                f"{letter.bytes} bytes  {letter.reason}"
            )
            if letter.body is not None:
                yield f"    {_text(base64.b64decode(letter.body))}"
        dropped = f", {self.dropped} dropped" if self.dropped else ""
        yield f"{self.sent} sent again{dropped}, {len(self.waiting)} waiting"


class Edit(NamedTuple):
    """What to do with letters.

    Attributes:
        show: Tell what they hold.
        save: Where to write the bytes of the only one.
        body: File of the bytes that stand in for those of the only one.
        repair: File of what is set and removed in each.
        send: Send what can be read again; the others stay as they are.
        drop: Give them up.
    """

    show: bool = False
    save: Path | None = None
    body: Path | None = None
    repair: Path | None = None
    send: bool = False
    drop: bool = False


def replay_dead(
    settings: Settings, wanted: Wanted, limit: int, edit: Edit, feeds: Path | None = None
) -> ReplayReport:
    """Look at the oldest of the wanted dead letters, and do with them what is told.

    Args:
        settings: Where they are, and which sources are set up.
        wanted: Which of them.
        limit: At most so many.
        edit: What to do with them.
        feeds: Folder of the files of feeds, whose letters can be read again with it.

    Raises:
        InvalidArgument: The edit makes no sense, or a file of it or of a feed can't be used.
        SettingsError: A source can't be opened.
        StoreUnavailable: The log or the catalogue can't be read or written.
    """
    if edit.drop and (edit.send or edit.repair or edit.body):
        raise _senseless(value="--drop", reason="gives up what it would send", cure="leave one out")
    repair = None if edit.repair is None else load_repair(edit.repair)
    with ExitStack() as open_things:
        letters = _open(settings, feeds, open_things)
        found = list(letters.find(wanted, limit))
        if (edit.save or edit.body) and len(found) != 1:
            cure = "name one letter with --id"
            raise _senseless(
                value="--save or --body", reason=f"{len(found)} letters fit", cure=cure
            )
        if edit.save is not None:
            _write(edit.save, found[0].body)
        if edit.drop:
            letters.drop(found)
            return ReplayReport(waiting=(), sent=0, dropped=len(found))
        body = None if edit.body is None else _read(edit.body)
        waiting: list[Waiting] = []
        for letter in found:
            said = _said(letters, letter, body, repair)
            if edit.send and not said.reason:
                letters.send(letter, said)
            else:
                waiting.append(_waiting(letter, said, show=edit.show))
        return ReplayReport(waiting=tuple(waiting), sent=len(found) - len(waiting), dropped=0)


def _open(settings: Settings, feeds: Path | None, open_things: ExitStack) -> Letters:
    clock = SystemClock()
    log = open_log(settings.resolved_log_url(), clock, settings.log_max_depth)
    open_things.callback(log.close)

    def catalogue() -> Catalogue:
        stores = open_stores(settings.resolved_store_url(), clock)
        open_things.callback(stores.close)
        return stores.catalogue

    readers = readers_of(open_sources(settings, os.environ), settings.segment_item)
    readers |= feed_readers(feeds)
    return Letters(log, readers, settings.customer_keys, catalogue, clock)


def _said(letters: Letters, letter: DeadLetter, body: bytes | None, repair: Repair | None) -> Said:
    if repair is None:
        return letters.read(letter, body)
    try:
        given = letter.body if body is None else body
        return letters.read(letter, repaired(given, repair, packed=is_packed(letter.body)))
    except InputError as error:
        return Said(reason=str(error))


def _waiting(letter: DeadLetter, said: Said, *, show: bool) -> Waiting:
    return Waiting(
        id=letter.id,
        source=name_of(letter.source),
        at=datetime.fromtimestamp(letter.at, UTC),
        bytes=len(letter.body),
        reason=said.reason or f"{letter.reason}; can be read now: --send",
        body=base64.b64encode(letter.body).decode() if show else None,
    )


def _text(body: bytes) -> str:
    """Bytes as one line that no terminal takes for an order."""
    text = body.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        cure = "give the file of the bytes to send"
        raise _senseless(str(path), f"can't be read: {error.strerror}", cure) from error


def _write(path: Path, body: bytes) -> None:
    try:
        path.write_bytes(body)
    except OSError as error:
        cure = "give a file that can be written"
        raise _senseless(str(path), f"can't be written: {error.strerror}", cure) from error


def _senseless(value: str, reason: str, cure: str) -> InvalidArgument:
    return InvalidArgument.of(value, field="replay", reason=reason, cure=cure)
