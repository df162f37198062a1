"""Servers under load: each in a process of its own, on the cores that a benchmark gives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from benchmarks.serving.shop import Shop
from features.errors import Unavailable
from homing.child import free_port
from homing.rehearsal.wire import Target

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
STARTS: Final = 600.0
"""Seconds that a server may take until it answers."""
_ENDS: Final = 20.0
_LOOK: Final = 0.01
_ONE_THREAD: Final = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")
}
TOP: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        target: Where.
        process: Its first process.
        began: Seconds from its start until it answered.
    """

    target: Target
    process: subprocess.Popen[bytes]
    began: float

    def processor_seconds(self) -> float:
        """Processor time of all its processes so far."""
        return sum(_ticks(pid) for pid in tree(self.process.pid)) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Memory of all its processes, MiB; what several share counts once (PSS)."""
        return sum(_pss(pid) for pid in tree(self.process.pid)) / 1024


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Run on these cores alone, and whatever is started meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def serving(
    command: Sequence[str],
    ready: str,
    log: Path,
    environment: Mapping[str, str] | None = None,
    cores: Sequence[int] = (SERVER_CORE,),
) -> Iterator[Server]:
    """Run a server until the block ends.

    Args:
        command: `PORT` in it stands for the port.
        ready: Path that answers 200 once it is up.
        log: File that gets what it says.
        environment: On top of this process's own.
        cores: Where it runs.

    Raises:
        Unavailable: It ended, or did not answer in time; the message names the log.
    """
    port = free_port(0)
    given = {**os.environ, **_ONE_THREAD, "PYTHONPATH": str(TOP), **(environment or {})}
    words = [word.replace("PORT", str(port)) for word in command]
    with log.open("ab") as out, pinned(*cores):
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own command
            words, env=given, stdout=out, stderr=out
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}{ready}", log)
        yield Server(Target("127.0.0.1", port), process, time.perf_counter() - started)
    finally:
        _end(process)


@contextmanager
def scorer(shop: Shop, cores: Sequence[int] = (SERVER_CORE,), **settings: str) -> Iterator[Server]:
    """`homing serve` on a shop, its log in a file there.

    Args:
        shop: What it answers from.
        cores: Where it runs.
        settings: More environment variables.
    """
    command = [sys.executable, "-m", "homing", "serve", "--port", "PORT"]
    environment = {**shop.environment(), **settings}
    with serving(command, "/readyz", shop.home / "scorer.log", environment, cores) as server:
        yield server


def tree(pid: int) -> list[int]:
    """A process and all that descend from it and still run."""
    found = [pid]
    for one in found:
        for threads in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in _read(threads).split()]
    return found


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.perf_counter() + STARTS
    with httpx.Client(timeout=5.0) as client:
        while process.poll() is None and time.perf_counter() < until:
            try:
                if client.get(url).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(_LOOK)
    last = " ".join(log.read_text(errors="replace").splitlines()[-3:])
    message = f"{process.args!r} does not answer at {url}: {last}; see {log}"
    raise Unavailable(message)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop it and all that it started: some servers leave children behind."""
    family = tree(process.pid)
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_ENDS)
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _ticks(pid: int) -> int:
    """User's and system's clock ticks of a process; 0 when it is gone."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]) if fields else 0


def _pss(pid: int) -> int:
    """Kibibytes; 0 when it is gone."""
    lines = _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
