"""A database's changes: PostgreSQL's log, read by Debezium, as a stream.

The place where it goes on is ours (`places.py`), written after `take` has returned and before the
engine keeps its own and lets the server forget what lies before; a new engine is told it at each
start. So whoever is killed gets the last batch again, and nothing is passed over.

The first start makes the replication slot, which holds all changes from that moment on, then reads
the rows that are there, and only then follows. Who is killed while reading reads all of them again:
what has changed meanwhile is in the slot. Rows that changed while they were read come twice; the
ids of their events tell it (`tables.check_changes`).

Rows come as plain JSON: decimals as text, times in ISO 8601 (the connector's
`decimal.handling.mode`, `time.precision.mode`), so that nothing is rounded. A message is written to
the server's log every `HEARTBEAT_SECONDS`, so that the slot moves on while only other tables
change, and the server's disk does not fill
(https://debezium.io/documentation/reference/stable/connectors/postgresql.html, "WAL disk space
consumption").
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final

import msgspec
import structlog

from features.errors import SettingsError, StoreUnavailable
from features.sources.generic_mapping import EventPaths
from homing.follow.connecting import Around, Lost, keep_connected
from homing.follow.debezium import NAME, Batch, Engine, start_java, write_offset
from homing.follow.places import Places
from homing.follow.postgres import Address, Database, address_of, connected
from homing.follow.rows import Rows, Shape, reshaped
from homing.follow.stream import Take
from homing.follow.tables import DELETED, Changes, columns_of, is_told

BATCH: Final = 500
"""Changes in a batch at most."""
WAITING_BYTES: Final = 32 * 1024 * 1024
"""Of changes that wait in Java."""
HEARTBEAT_SECONDS: Final = 10
LOOK_SECONDS: Final = 0.1
"""How often who waits looks whether there is still something to wait for."""
OFFSET_FILE: Final = "engine.offset"

_ENGINE: Final[Mapping[str, str]] = {
    "name": NAME,
    "topic.prefix": NAME,
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "plugin.name": "pgoutput",
    "publication.autocreate.mode": "disabled",
    "decimal.handling.mode": "string",
    "time.precision.mode": "isostring",
    "interval.handling.mode": "string",
    "binary.handling.mode": "base64",
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
    "value.converter.replace.null.with.default": "false",
    "max.batch.size": str(BATCH),
    "max.queue.size": str(4 * BATCH),
    "max.queue.size.in.bytes": str(WAITING_BYTES),
    "poll.interval.ms": "50",
    "heartbeat.interval.ms": str(1000 * HEARTBEAT_SECONDS),
    "heartbeat.action.query": "SELECT pg_logical_emit_message(true, 'homing', '')",
    "message.prefix.include.list": "homing",
    "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
    "offset.flush.interval.ms": "0",  # with every batch that is marked as finished
    "errors.max.retries": "0",  # we look what is wrong, and start another engine
}

_log = structlog.get_logger("homing.follow")


class ChangesStream:
    """Changes of the declared tables; see `Stream`.

    Args:
        name: The source's.
        changes: What is followed.
        event: What becomes of it.
        around: What it has around it.

    Raises:
        SettingsError: The URL is not set or can't be used.
        StoreUnavailable: The place can't be read.
    """

    def __init__(self, name: str, changes: Changes, event: EventPaths, around: Around) -> None:
        self._name = name
        self._changes = changes
        self._event = event
        self._address = address_of(around.value_of("URL"))
        self._offset_file = around.folder / OFFSET_FILE
        self._lost = around.lost
        self._places = Places(around.folder)

    def run(self, take: Take, stop: threading.Event) -> None:
        """See Stream.run.

        Raises:
            SettingsError: Something must be set up otherwise, in the database or here.
        """
        start_java(self._changes.memory)
        keep_connected(lambda: self._follow(take, stop), stop, self._lost)

    def _follow(self, take: Take, stop: threading.Event) -> Lost | None:
        try:
            with connected(self._address) as database:
                shapes = self._prepare(database)
        except StoreUnavailable as error:
            return Lost(str(error))
        rows = Rows(self._changes, self._event, shapes, self._look)
        if not self._places.place.read:
            loss = self._reading(rows, take, stop)
            if loss is not None or not self._places.place.read:
                return loss
        return self._following(rows, take, stop)

    def _prepare(self, database: Database) -> dict[str, Shape]:
        """What the tables are like; everything is as it must be then."""
        changes, source = self._changes, self._name
        database.check_log()
        shapes = {table: _shape(database, table) for table in changes.names()}
        for table, shape in shapes.items():
            _check_columns(changes, table, shape)
            self._tell_lacking(table, shape)
        database.check_publication(changes.publication_of(source), changes.names())
        slot = changes.slot_of(source)
        self._places.settle(database, slot, reads=changes.snapshot == "initial")
        for table, shape in shapes.items():
            self._compare(table, shape)
        return shapes

    def _reading(self, rows: Rows, take: Take, stop: threading.Event) -> Lost | None:
        """Read the rows that are there."""
        self._offset_file.unlink(missing_ok=True)
        more = {"snapshot.mode": "initial_only"}
        where = self._changes.snapshot_where
        if where is not None:
            more["snapshot.select.statement.overrides"] = ",".join(self._changes.names())
            for table in self._changes.names():
                key = f"snapshot.select.statement.overrides.{table}"
                more[key] = f"SELECT * FROM {table} WHERE {where}"  # noqa: S608 - the operator's own

        def keep(batch: Batch) -> bool:
            _give(batch, rows, take)
            if not _is_last(batch.offset):
                return True
            self._places.change(read=True)
            return False

        return self._run_engine(more, keep, stop)

    def _following(self, rows: Rows, take: Take, stop: threading.Event) -> Lost | None:
        write_offset(self._offset_file, self._places.place.engine_offset())

        def keep(batch: Batch) -> bool:
            _give(batch, rows, take)
            self._places.change(offset=batch.offset)
            return True

        return self._run_engine({"snapshot.mode": "no_data"}, keep, stop)

    def _run_engine(
        self, more: Mapping[str, str], keep: Callable[[Batch], bool], stop: threading.Event
    ) -> Lost | None:
        """Run an engine until it is lost; None when it was told to stop, or `keep` has enough."""
        handover = _Handover()
        properties = {**_ENGINE, **self._properties(), **more}
        engine = Engine(properties, handover.give)
        engine.start()
        moved = False
        try:
            while (batch := handover.next(engine.ended, stop)) is not None:
                if not keep(batch):
                    return None
                moved = True
                handover.done()
        finally:
            handover.end()
            engine.close()
        if stop.is_set():
            return None
        return Lost(f"Debezium ended: {engine.reason or 'it does not say why'}", moved=moved)

    def _properties(self) -> dict[str, str]:
        changes, address = self._changes, self._address
        return {
            **_of_address(address),
            "slot.name": changes.slot_of(self._name),
            "publication.name": changes.publication_of(self._name),
            "table.include.list": ",".join(one.replace(".", r"\.") for one in changes.names()),
            "offset.storage.file.filename": str(self._offset_file),
        }

    def _look(self, table: str) -> Shape | None:
        """How a table is made now; None when it can't be seen."""
        try:
            with connected(self._address) as database:
                shape = database.shape(table)
        except StoreUnavailable:
            return None
        if shape is not None:
            self._compare(table, shape)
        return shape

    def _compare(self, table: str, shape: Shape) -> None:
        """Tell how a table has changed since it was last looked."""
        columns = self._places.place.columns
        before = columns.get(table)
        found = None if before is None else reshaped(before, shape.columns)
        if found is not None:
            told = {key: list(names) for key, names in found._asdict().items() if names}
            _log.warning("the table has changed", table=table, **told)
        if before != shape.columns:
            self._places.change(columns={**columns, table: shape.columns})

    def _tell_lacking(self, table: str, shape: Shape) -> None:
        """Tell what is not known of rows that are deleted, where that is needed."""
        lacking = sorted(columns_of(self._event)[0] - shape.key)
        if (
            not shape.full
            and lacking
            and is_told(self._changes.kind_of(DELETED, {}), DELETED, self._event)
        ):
            cure = f"ALTER TABLE {table} REPLICA IDENTITY FULL"
            _log.warning("deletions will be dead letters", table=table, lacking=lacking, cure=cure)


class _Ended(Exception):
    """Nobody takes batches any more."""


class _Handover:
    """Brings batches from the engine's thread to ours, one at a time."""

    def __init__(self) -> None:
        self._batches: queue.SimpleQueue[tuple[Batch, Future[None]]] = queue.SimpleQueue()
        self._current: Future[None] | None = None
        self._ended = threading.Event()

    def give(self, batch: Batch) -> None:
        """Return once the batch is done; called by the engine.

        Raises:
            _Ended: It will not be.
        """
        done: Future[None] = Future()
        self._batches.put((batch, done))
        while not self._ended.is_set():
            try:
                return done.result(LOOK_SECONDS)
            except TimeoutError:
                continue
        raise _Ended

    def next(self, ended: threading.Event, stop: threading.Event) -> Batch | None:
        """The next batch; None when there will be none, or when told to stop."""
        while not stop.is_set():
            is_last = ended.is_set()
            try:
                batch, self._current = self._batches.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if is_last:
                    return None
            else:
                return batch
        return None

    def done(self) -> None:
        """The last batch is kept."""
        if self._current is not None:
            self._current.set_result(None)

    def end(self) -> None:
        """Take no more."""
        self._ended.set()


def _give(batch: Batch, rows: Rows, take: Take) -> None:
    messages = [message for one in batch.values if (message := rows.message(one)) is not None]
    if messages:
        take(messages)


def _is_last(offset: str) -> bool:
    """Whether all rows that were there have been read."""
    kept = msgspec.json.decode(offset)
    return "snapshot" not in kept or bool(kept.get("snapshot_completed"))


def _shape(database: Database, table: str) -> Shape:
    shape = database.shape(table)
    if shape is None:
        message = (
            f"there is no table {table} that we may see: mend changes.tables, or "
            f"GRANT SELECT ON {table} to the user of the URL"
        )
        raise SettingsError(message)
    return shape


def _check_columns(changes: Changes, table: str, shape: Shape) -> None:
    for key in ("state", "time"):
        column = getattr(changes, key)
        if column is not None and column not in shape.columns:
            message = f"{table} has no column {column}: mend changes.{key}"
            raise SettingsError(message)


def _of_address(address: Address) -> dict[str, str]:
    return {
        "database.hostname": address.host,
        "database.port": str(address.port),
        "database.dbname": address.database,
        "database.user": address.user,
        "database.password": address.password,
        **{f"database.{key}": value for key, value in address.more.items()},
    }
