"""The built wheel works in an environment of its own, where the checkout can't help it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ROOTS = ("features", "serving", "training", "homing")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603 - fixed commands
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=TOP)
    [built] = folder.glob("homing-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, and our dependencies behind it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    [site] = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A line in a .pth file adds a folder, but not the .pth files in it: the editable install of
    # the checkout stays out.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == set(ROOTS)


def test_every_file_beside_the_code_is_in_the_wheel(wheel: Path) -> None:
    files = {
        path.relative_to(TOP).as_posix()
        for root in ROOTS
        for path in (TOP / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"serving/py.typed", "features/event.py"} <= files
    assert files <= set(zipfile.ZipFile(wheel).namelist())


def test_imports_come_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(ROOTS)}; print({', '.join(f'{root}.__file__' for root in ROOTS)})"
    found = run(python, "-I", "-c", code, cwd=tmp_path).split()
    assert len(found) == len(ROOTS)
    assert all(name.startswith(str(python.parents[1])) for name in found)


def test_the_command_line_starts_and_the_built_in_blocks_load(python: Path, tmp_path: Path) -> None:
    assert "retrain" in run(python, "-I", "-m", "homing", "--help", cwd=tmp_path)
    code = "from serving.ranking.blocks import load_blocks; print(*load_blocks(None))"
    assert "hero" in run(python, "-I", "-c", code, cwd=tmp_path)


def test_answering_imports_no_library_that_trains(python: Path, tmp_path: Path) -> None:
    heavy = "training, deltalake, duckdb, ibis, implicit, pandas, pyarrow, sklearn, matplotlib"
    code = (
        "import sys, homing.cli, serving.bootstrap, serving.service, serving.model.registry;"
        f"print(*[m for m in '{heavy}'.split(', ') if m in sys.modules])"
    )
    assert run(python, "-I", "-c", code, cwd=tmp_path).split() == []
