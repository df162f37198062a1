"""The notebook of the docs, run from top to bottom on a small shop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.shop import SECRET
from training.settings import TrainingSettings

NOTEBOOK = Path(__file__).parents[4] / "docs" / "compare.ipynb"


def read() -> Any:  # noqa: ANN401 - nbformat's own
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]  # not typed


def outputs(notebook: Any) -> str:  # noqa: ANN401 - nbformat's own
    """What all cells printed and showed, as text."""
    shown = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    texts = [[one.get("text", ""), *map(str, one.get("data", {}).values())] for one in shown]
    return "\n".join(text for of_one in texts for text in of_one)


def test_the_notebook_is_kept_without_what_it_once_printed() -> None:
    nbformat.validate(read())
    for cell in read().cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_the_notebook_loads_scores_and_compares(
    two_versions: TrainingSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMING_HOME", str(two_versions.home))
    monkeypatch.setenv("HOMING_SECRET", SECRET)
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    notebook = read()
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

    told = outputs(notebook)
    assert "recommender/2" in told
    assert "were judged on 2026-05-" in told
    assert "Tea number 1" in told
    assert "items in common" in told
    assert "explore/ndcg_20" in told
    assert "data:text/html;base64," in told
    assert not [
        one
        for cell in notebook.cells
        for one in cell.get("outputs", ())
        if one.get("name") == "stderr"
    ]
