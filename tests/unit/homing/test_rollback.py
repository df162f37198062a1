"""What commands that only talk to the registry import: what must go at once can't wait for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving.model.mlflow_http import CERTIFICATES, WAYS
from tests.mlflow_server import mlflow_server
from training import champions
from training.champions import Act
from training.tracking import Tracking

TRAINING = {"duckdb", "ibis", "implicit", "matplotlib", "optuna", "sklearn"}
"""Libraries that only training needs."""
SLOW = TRAINING | {"deltalake", "mlflow", "pandas", "pyarrow", "scipy", "sqlalchemy", "structlog"}
"""Those that no command needs which asks a server."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """Recommender 3 serves; 2 and 1 did before."""
    home: Path = tmp_path_factory.mktemp("home")
    tracking = Tracking(f"sqlite:///{home}/mlflow.db", home / "artifacts")
    with tracking.client() as client:
        client.create_registered_model("recommender")
        for _ in range(3):
            client.create_model_version("recommender", str(home))
    for number in "123":
        act = Act("test", datetime(2026, 3, 1, tzinfo=UTC), "for the test")
        champions.promote(tracking, "recommender", number, act, force=True)
    return tracking


@pytest.fixture(scope="module")
def server(registry: Tracking) -> Iterator[str]:
    with mlflow_server(registry.url) as address:
        yield address


def imported(home: Path, url: str, *words: str) -> tuple[str, set[str]]:
    """What a command says, and the libraries that its process imported."""
    plain = {name: text for name, text in os.environ.items() if name not in {*WAYS, *CERTIFICATES}}
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-X", "importtime", "-m", "homing", *words],
        env={**plain, "HOME": str(home), "HOMING_HOME": str(home), "HOMING_TRACKING_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"typer", "homing"} <= names, done.stderr
    return done.stdout, names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rollback"], "champion: recommender/2 (rolled back from recommender/3)"),
        (["promote", "3", "--force", "--reason", "again"], "champion: recommender/3 (again)"),
        (["promotions"], "champion: recommender/3"),
    ],
    ids=["rollback", "promote", "promotions"],
)
def test_a_command_that_asks_a_server_imports_nothing_slow(
    registry: Tracking, server: str, tmp_path: Path, words: list[str], said: str
) -> None:
    answer, names = imported(tmp_path, server, *words)
    assert said in answer
    assert "httpx" in names
    assert not names & SLOW
    assert registry.alias("recommender", "champion") == ("2" if words == ["rollback"] else "3")


def test_a_roll_back_in_a_registry_on_disk_imports_nothing_of_training(
    registry: Tracking, tmp_path: Path
) -> None:
    champion = registry.alias("recommender", "champion")
    answer, names = imported(tmp_path, registry.url, "rollback")
    assert f"rolled back from recommender/{champion}" in answer
    assert "mlflow" in names
    assert not names & TRAINING
