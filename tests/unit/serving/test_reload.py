from __future__ import annotations

from pathlib import Path

import pytest

from serving.model.registry import LocalVersions
from tests.unit.serving.kit import Kit, chain_bundle, make_kit
from tests.unit.serving.model.samples import bundle_of


def serving(kit: Kit) -> str | None:
    model = kit.parts.current.snapshot.model
    return None if model is None else model.name


def failures(kit: Kit) -> float:
    return kit.parts.metrics.registry.get_sample_value("homing_reload_failures_total") or 0.0


def up(kit: Kit) -> float | None:
    return kit.parts.metrics.registry.get_sample_value("homing_registry_up")


def broken_bundle(kit: Kit, version: str) -> None:
    """A version whose largest file lost its end, in the registry and here."""
    folder = LocalVersions(kit.registry.home).folder(version)
    chain_bundle().save(folder)
    file = max(folder.glob("*.npy"), key=lambda path: path.stat().st_size)
    file.write_bytes(file.read_bytes()[:-8])


def test_it_follows_the_alias(kit: Kit) -> None:
    kit.parts.model.look()
    assert serving(kit) is None
    kit.promote("1")
    assert serving(kit) == "recommender/1"
    kit.promote("2")
    assert serving(kit) == "recommender/2"
    assert up(kit) == 1


def test_the_same_alias_loads_nothing_again(kit: Kit) -> None:
    kit.promote("1")
    model = kit.parts.current.snapshot.model
    kit.parts.model.look()
    assert kit.parts.current.snapshot.model is model


def test_a_roll_back_needs_no_loading(kit: Kit) -> None:
    kit.promote("1")
    first = kit.parts.current.snapshot.model
    kit.promote("2")
    kit.registry.down = False
    kit.registry.fetched.clear()
    kit.registry.alias = "1"
    kit.parts.model.look()
    assert kit.parts.current.snapshot.model is first
    assert kit.registry.fetched == []


def test_only_the_last_two_versions_stay_on_disk(kit: Kit) -> None:
    for version in ("1", "2", "3"):
        kit.promote(version)
    kept = {folder.name for folder in LocalVersions(kit.registry.home).root.iterdir()}
    assert kept == {"2", "3", "current"}


def test_a_registry_that_is_down_changes_nothing_but_a_metric(kit: Kit) -> None:
    kit.promote("1")
    kit.registry.down = True
    kit.parts.model.look()
    assert (serving(kit), up(kit), failures(kit)) == ("recommender/1", 0, 0)
    kit.registry.down = False
    kit.parts.model.look()
    assert up(kit) == 1


def test_a_registry_that_raises_what_nobody_declared_is_down(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.promote("1")
    monkeypatch.setattr(kit.registry, "champion", lambda: 1 / 0)
    kit.parts.model.look()
    assert (serving(kit), up(kit)) == ("recommender/1", 0)


def test_a_version_that_is_not_there_leaves_the_old_one(kit: Kit) -> None:
    kit.promote("1")
    kit.registry.alias = "2"
    kit.parts.model.look()
    assert (serving(kit), up(kit), failures(kit)) == ("recommender/1", 0, 0)


def test_a_damaged_local_copy_is_fetched_again(kit: Kit) -> None:
    broken_bundle(kit, "1")
    kit.promote("1")
    assert serving(kit) == "recommender/1"
    assert kit.registry.fetched == ["1"]


def test_a_damaged_version_is_refused_and_the_old_one_keeps_serving(kit: Kit) -> None:
    kit.promote("1")
    kit.promote("2", bundle_of("an algorithm from the future"))
    assert (serving(kit), failures(kit)) == ("recommender/1", 1)
    kit.promote("3")
    assert serving(kit) == "recommender/3"


def test_a_refused_version_is_tried_again_less_and_less_often(kit: Kit) -> None:
    kit.promote("2", bundle_of("an algorithm from the future"))
    tried = []
    for look in range(1, 20):
        before = failures(kit)
        kit.parts.model.look()
        if failures(kit) > before:
            tried.append(look)
    assert tried == [2, 5, 10, 19]


def test_a_refused_version_that_was_mended_is_used(kit: Kit) -> None:
    kit.promote("2", bundle_of("an algorithm from the future"))
    LocalVersions(kit.registry.home).discard("2")
    kit.registry.bundles["2"] = chain_bundle()
    for _ in range(2):
        kit.parts.model.look()
    assert serving(kit) == "recommender/2"


def test_it_starts_from_its_local_copy_without_the_registry(kit: Kit) -> None:
    kit.promote("5")
    again = make_kit(kit.registry.home)
    again.registry.down = True
    assert again.parts.model.load_local()
    assert serving(again) == "recommender/5"


def test_a_local_copy_that_is_damaged_is_no_start_but_no_end_either(kit: Kit) -> None:
    kit.promote("5")
    again = make_kit(kit.registry.home)
    LocalVersions(kit.registry.home).discard("5")
    broken_bundle(kit, "5")
    assert not again.parts.model.load_local()
    assert failures(again) == 1
    again.promote("5")
    assert serving(again) == "recommender/5"


def test_a_disk_that_cannot_be_read_is_no_start_but_no_end_either(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> None:
        message = "input/output error"
        raise OSError(message)

    kit.promote("5")
    again = make_kit(kit.registry.home)
    monkeypatch.setattr("serving.reload.load_bundle", broken)
    assert not again.parts.model.load_local()
    assert failures(again) == 1


def test_a_disk_that_remembers_nothing_stops_nobody(kit: Kit) -> None:
    (kit.registry.home / "models" / "recommender" / "current").mkdir(parents=True)
    kit.promote("1")
    assert serving(kit) == "recommender/1"
    assert not make_kit(kit.registry.home).parts.model.load_local()
