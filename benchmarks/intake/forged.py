"""What it takes to refuse a forged delivery: processor time, and no touch of the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.figures import Figure, at_most, plain
from benchmarks.intake.made import signed
from benchmarks.intake.trial import Trial, intake, turn
from benchmarks.intake.webhooks import CONNECTIONS, PATH
from benchmarks.serving.servers import Server, pinned, tree
from benchmarks.stages import run_stage
from features.clock import SystemClock

VERIFY_US: Final = 100.0


def measure_forged(trial: Trial) -> list[Figure]:
    """Each source's check by itself; then forged deliveries over HTTP, one source's."""
    with pinned(trial.server):
        one, two = (run_stage("intake.stages", "verify", each)[0].extra for each in ("1", "2"))
    slowest = max(one, key=lambda name: one[name])
    with intake(trial, "forged") as (server, _):
        headers, body = signed(1, SystemClock().now())
        forged = server.target.request(PATH, headers, method="POST", body=body + b" ")
        turn(trial, server, [forged], CONNECTIONS, 401)  # warms up
        touched, spent = on_disk(server), server.processor_seconds()
        measured = turn(trial, server, [forged], CONNECTIONS, 401)
        spent = 1e6 * (server.processor_seconds() - spent) / len(measured.statuses)
        touched = on_disk(server) - touched
    name = f"refusing a forged webhook, the slowest source ({slowest})"
    return [
        at_most(name, one[slowest], "us", VERIFY_US),
        plain(f"{name}, two secrets", two[slowest], "us"),
        at_most("forged webhooks over HTTP, on disk", touched, "bytes", 0.0),
        plain("a forged webhook over HTTP, all of the server", spent, "us"),
        plain("forged webhooks refused over HTTP", measured.rate, "requests/s"),
    ]


def on_disk(server: Server) -> int:
    """Bytes that a server's processes have had read from disks and written to them so far.

    Source: "The /proc Filesystem", on `/proc/PID/io`
    (https://docs.kernel.org/filesystems/proc.html).
    """
    lines = [
        line.partition(": ")
        for pid in tree(server.process.pid)
        for line in Path(f"/proc/{pid}/io").read_text().splitlines()
    ]
    return sum(int(value) for name, _, value in lines if name in {"read_bytes", "write_bytes"})
