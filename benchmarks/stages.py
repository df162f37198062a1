"""One measured piece of work in a process of its own, so that its memory is its own.

A module of stages runs as `python -m benchmarks.MODULE STAGE ARGUMENT…` and prints a `Stage`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import msgspec


class Stage(msgspec.Struct, frozen=True):
    """What a stage prints.

    Attributes:
        seconds: Of the work alone, imports of libraries left out.
        extra: More figures by name.
    """

    seconds: float
    extra: dict[str, float] = {}


def run_stage(module: str, name: str, *arguments: str) -> tuple[Stage, float]:
    """One stage: what it printed, and the most memory its process held, in MiB.

    Args:
        module: Of stages, like `loop_stages`.
        name: Of the stage.
        arguments: For it.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}", name, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    assert process.stdout is not None  # a pipe was asked for
    with process.stdout as pipe:
        printed = pipe.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return msgspec.json.decode(printed, type=Stage), usage.ru_maxrss / 1024


def main(stages: Mapping[str, Callable[..., Stage]]) -> None:
    """Do the stage that the command line names, and print what it measured."""
    result = stages[sys.argv[1]](*sys.argv[2:])
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
