from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import AlreadyRunning
from tests.shop import make_shop
from tests.unit.training.home import clock_of
from training.lock import only_one


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from features.clock import SystemClock\n"
        "from training.lock import only_one\n"
        "with only_one(Path(sys.argv[1]), 'training', SystemClock()):\n"
        "    print('held', flush=True); sys.stdin.read(); os.kill(os.getpid(), 9)\n"
    )
    with subprocess.Popen(  # noqa: S603 - this Python, our code
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        clock = clock_of(make_shop(1))
        with (
            pytest.raises(AlreadyRunning, match=f"runs as process {process.pid}"),
            only_one(tmp_path, "retraining", clock),
        ):
            pass
        process.communicate()
    with only_one(tmp_path, "retraining", clock):
        pass
