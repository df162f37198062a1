"""Laws of the house that no linter knows: sizes, locks, and one definition of each thing."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import pytest

TOP = Path(__file__).parents[2]
ROOTS = ("features", "serving", "training", "homing", "benchmarks", "tests")
SOURCES = sorted(path for root in ROOTS for path in (TOP / root).rglob("*.py"))
LOCKS = sorted((TOP / "requirements").glob("*.lock"))
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ \\]+)", re.MULTILINE)


def lengths_of_functions(path: Path) -> dict[str, int]:
    tree = ast.parse(path.read_text())
    return {
        f"{path.relative_to(TOP)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }


def test_no_file_is_longer_than_400_lines_and_half_of_them_than_120() -> None:
    lines = {str(path.relative_to(TOP)): path.read_text().count("\n") for path in SOURCES}
    assert {name: count for name, count in lines.items() if count > 400} == {}
    assert median(count for name, count in lines.items() if "__init__" not in name) <= 120


def test_no_function_is_longer_than_60_lines_and_nine_in_ten_have_30() -> None:
    lengths = {name: n for path in SOURCES for name, n in lengths_of_functions(path).items()}
    assert {name: n for name, n in lengths.items() if n > 60} == {}
    assert quantiles(lengths.values(), n=10)[-1] <= 30


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (TOP / "tests").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_an_image_holds_the_versions_that_are_tested(lock: Path) -> None:
    tested = set(PIN.findall((TOP / "requirements.lock").read_text()))
    shipped = set(PIN.findall(lock.read_text()))
    assert shipped
    assert {name for name, _ in shipped - tested} <= {"dumb-init"}


@pytest.mark.parametrize("lock", [TOP / "requirements.lock", *LOCKS], ids=lambda lock: lock.name)
def test_a_lock_pins_by_hash_and_names_no_index(lock: Path) -> None:
    text = lock.read_text()
    starts = [match.start() for match in PIN.finditer(text)]
    for start, end in pairwise([*starts, len(text)]):
        assert "--hash=sha256:" in text[start:end], text[start:end].splitlines()[0]
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("image", ["serve", "ingest", "train"])
def test_the_dockerfile_has_a_target_for_each_image_and_uses_its_lock(image: str) -> None:
    text = (TOP / "Dockerfile").read_text()
    assert f" AS {image}\n" in text
    assert f"requirements/{image}.lock" in text
