"""Work of the scorer without HTTP, each stage in a process of its own.

`python -m benchmarks.serving.stages STAGE HOME …` does it and prints what it measured as JSON.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from itertools import cycle
from pathlib import Path
from typing import Final

from threadpoolctl import threadpool_limits

from benchmarks.figures import seconds
from benchmarks.serving.shop import BLOCK, SECRET, open_shop
from benchmarks.stages import Stage, main
from features.clock import SystemClock
from features.identity import CustomerKeys
from features.logs import configure_logs
from serving.bootstrap import build_parts
from serving.fallback import Question, choose, rank
from serving.parts import Parts
from serving.settings import ServeSettings
from serving.slate import Rung

HOME: Final = "BENCHMARK_HOME"
"""The variable that tells peers the shop's home."""
RANK_SECONDS: Final = 3.0
WARM: Final = 50


def parts_of(home: str) -> Parts:
    """What a scorer on that home is made of, with model and catalogue loaded."""
    settings = ServeSettings(
        home=Path(home), secret=SECRET, blocks_file=Path(home) / "blocks.toml", ingest=False
    )
    configure_logs("warning")  # standard output is for what was measured
    parts = build_parts(settings)
    parts.catalogue.look()
    parts.model.load_local()
    return parts


def keys_of(names: Sequence[str]) -> list[str]:
    """The keys of customers."""
    keys = CustomerKeys(SECRET.encode())
    return [keys.resolve(name) for name in names]


def rank_stage(home: str) -> Stage:
    """Slates by `rank` and `choose`, one after the other, of profiles that are at hand."""
    parts = parts_of(home)
    keys = keys_of(open_shop(Path(home)).changed)
    known = parts.stores.profiles.get_many(keys)
    snapshot, block, now = (
        parts.current.snapshot,
        parts.current.snapshot.blocks[BLOCK],
        SystemClock().now(),
    )
    asked = [Question(block, block.size, now, known[key]) for key in keys]

    def answer(question: Question) -> None:
        choice = choose(snapshot, question, rank(snapshot, [question])[0])
        assert choice.served_by is Rung.MODEL

    with threadpool_limits(1, user_api="blas"):
        for question in asked[:WARM]:
            answer(question)
        return timed(answer, cycle(asked))


def timed(work: Callable[[Question], None], questions: Iterator[Question]) -> Stage:
    """How many are answered a second."""
    began, busy, spent, done = time.perf_counter(), time.process_time(), 0.0, 0
    while spent < RANK_SECONDS:
        work(next(questions))
        done += 1
        spent = time.perf_counter() - began
    processor = 1e6 * (time.process_time() - busy) / done
    return Stage(spent, {"rate": done / spent, "processor": processor})


def pyfunc_stage(code: str, model: str, home: str) -> Stage:
    """MLflow's model from code; it tries the code when it saves it."""
    os.environ[HOME] = home
    import mlflow.pyfunc  # noqa: PLC0415 - slow, and no other stage needs it

    save = mlflow.pyfunc.save_model
    with redirect_stdout(sys.stderr):
        return Stage(seconds(lambda: save(model, python_model=code, pip_requirements=[])))


if __name__ == "__main__":
    main({"rank": rank_stage, "pyfunc": pyfunc_stage})
