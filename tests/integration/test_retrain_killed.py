"""A retrain that is killed with SIGKILL leaves champion and profiles as they were, or goes on.

`python -m tests.integration.test_retrain_killed FOLDER` forks the child that dies: it has imported
what that needs. The child retrains once, and before it dies it keeps at each earlier moment what
its death would have left there: all its files, byte for byte, as they stand.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from features.profile import Profile
from features.progress import Advance
from tests.shop import make_shop
from tests.unit.training.home import clock_of, fill, settings_at, stores_of
from training import bootstrap
from training.register import CHAMPION
from training.tracking import Tracking

TOP = Path(__file__).parents[2]
SHOP = make_shop(40, days=100)
TRAINING = "fitting recommenders"
COMPUTING = "computing slates and scores"
PROMOTING = "promoting"
WRITING = "writing profiles"
MOMENTS = (TRAINING, COMPUTING, PROMOTING, WRITING)


def reached(home: Path, moment: str) -> None:
    """Keep what a death at this moment leaves; at the last one, end as the kernel would."""
    if moment == MOMENTS[-1]:
        os.kill(os.getpid(), signal.SIGKILL)
    shutil.copytree(home, home.with_name(moment))


def retrain_until_killed(home: Path) -> None:
    """Retrain, and reach each moment: in a stage after its first step, or between two writes."""

    @contextmanager
    def stage(opened: str) -> Iterator[Advance]:
        left = [opened] if opened in MOMENTS else []
        yield lambda _done, _total: reached(home, left.pop()) if left else None

    class Watched(Tracking):
        """Reaches a moment when a champion's history is written and its alias is not."""

        @contextmanager
        def client(self) -> Iterator[Any]:
            with super().client() as client:
                become = client.set_registered_model_alias

                def set_alias(name: str, alias: str, version: str) -> None:
                    if alias == CHAMPION:
                        reached(home, PROMOTING)
                    become(name, alias, version)

                client.set_registered_model_alias = set_alias  # type: ignore[method-assign]
                yield client
                client.set_registered_model_alias = become  # type: ignore[method-assign]

    pytest.MonkeyPatch().setattr(bootstrap, "Tracking", Watched)
    bootstrap.retrain(settings_at(home), stage, clock_of(SHOP))


def profiles_of(home: Path) -> dict[str, Profile]:
    stores = stores_of(home)
    found = stores.profiles.get_many(stores.profiles.customers(limit=1_000))
    stores.close()
    return found


def champion_of(home: Path) -> str | None:
    settings = settings_at(home)
    tracking = Tracking(settings.resolved_tracking_url(), settings.artifacts)
    return tracking.alias("recommender", CHAMPION)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What is left of a home, by the moment of death."""
    folder = tmp_path_factory.mktemp("killed")
    fill(folder / WRITING, SHOP)
    program = [sys.executable, "-m", __name__, str(folder)]
    subprocess.run(program, cwd=TOP, check=True, timeout=120)  # noqa: S603 - ours
    return {moment: folder / moment for moment in MOMENTS}


@pytest.mark.parametrize("moment", [TRAINING, COMPUTING, PROMOTING])
def test_killed_before_the_promotion_all_is_as_it_was(homes: dict[str, Path], moment: str) -> None:
    assert champion_of(homes[moment]) is None
    assert profiles_of(homes[moment]) == {one.customer: one for one in SHOP.profiles()}


def test_after_a_death_the_next_retrain_does_all_of_it(homes: dict[str, Path]) -> None:
    home = homes[PROMOTING]
    report = bootstrap.retrain(settings_at(home), clock=clock_of(SHOP))
    assert [one.version for one in report.promoted] == ["recommender/2"]
    models = {one.published.models["recommender"] for one in profiles_of(home).values()}
    assert models == {"recommender/2"}


def test_killed_while_profiles_are_written_the_next_publish_writes_the_rest(
    homes: dict[str, Path],
) -> None:
    home = homes[WRITING]
    assert champion_of(home) == "1"
    written = [one for one in profiles_of(home).values() if one.published.slates]
    assert 0 < len(written) < len(SHOP.taste)
    assert bootstrap.publish(settings_at(home), clock=clock_of(SHOP)).resumed
    assert all(one.published.slates for one in profiles_of(home).values())


if __name__ == "__main__":
    importlib.import_module("mlflow.pyfunc")
    child = os.fork()
    if not child:
        retrain_until_killed(Path(sys.argv[1]) / WRITING)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
