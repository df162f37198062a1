"""MLflow's server with two versions of the recommender.

`python -m tests.faults.registry FOLDER PORT` serves their artifacts too, so that a download goes
the same way as a question. The registry is made once; a server that is killed and started again
goes on with it.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from serving.model.mlflow_library import LibraryVersions
from serving.model.registry import BUNDLE_PATH, CHAMPION, RECOMMENDER
from tests.faults.world import bundle
from tests.mlflow_server import mlflow_server

VERSIONS = (1, 2)


def main(folder: Path, port: int) -> None:
    """Serve until killed."""
    url, artifacts = f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"
    if not artifacts.is_dir():
        _make(url, artifacts)
    os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "true"  # as `mlflow server` tells its workers
    os.environ["_MLFLOW_SERVER_ARTIFACT_DESTINATION"] = str(artifacts)
    with mlflow_server(url, port):
        while True:
            time.sleep(60)


def _make(url: str, artifacts: Path) -> None:
    with LibraryVersions(url, "train", {}).client() as client:
        client.create_registered_model(RECOMMENDER)
        for version in VERSIONS:
            bundle(version).save(artifacts / str(version) / BUNDLE_PATH)
            client.create_model_version(RECOMMENDER, f"mlflow-artifacts:/{version}")
        client.set_registered_model_alias(RECOMMENDER, CHAMPION, str(VERSIONS[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
