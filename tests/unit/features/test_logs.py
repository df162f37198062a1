from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from features import logs
from features.logs import Lines

SCRIPT = """
import os, structlog
from pathlib import Path
from features.logs import configure_logs
configure_logs("info")
log = structlog.get_logger()
log.debug("too little")
log.info("one", number=1, path=Path("/elsewhere"))
try:
    1 / 0
except ZeroDivisionError:
    log.exception("two")
if os.fork() == 0:
    log.info("from a fork")
    raise SystemExit
os.wait()
log.info("last words")
"""


def test_a_process_writes_json_lines_to_its_end_and_so_does_its_fork() -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True, cwd=Path.cwd()
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["one", "two", "from a fork", "last words"]
    assert lines[0] | {"timestamp": ""} == {
        "event": "one",
        "number": 1,
        "path": "/elsewhere",
        "level": "info",
        "timestamp": "",
    }
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert lines[0]["timestamp"].endswith("Z")


def test_who_logs_does_not_wait_for_who_reads_and_is_told_what_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream, os.fdopen(reading, "rb") as reader:
        lines = Lines(stream)
        monkeypatch.setattr(logs, "MOST_LINES", 100)
        began = time.monotonic()
        # More than a pipe holds: its writer hangs until somebody reads.
        for _ in range(300):
            lines.msg(b"x" * 10_000)
        time.sleep(0.1)
        for _ in range(300):
            lines.msg(b"y" * 10_000)
        assert time.monotonic() - began < 1.0
        read: list[bytes] = []
        told = threading.Thread(target=lambda: read.extend(reader))
        told.start()
        lines.end()
        stream.close()
        told.join(5)
    lost = [json.loads(line)["lost"] for line in read if line.startswith(b"{")]
    assert sum(lost) + sum(not line.startswith(b"{") for line in read) == 600
    assert sum(lost) >= 300
