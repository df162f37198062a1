"""Profiles as stores keep them: what comes back, and what digests tell apart."""

from __future__ import annotations

import msgspec
import pytest

from features.event import EventType
from features.profile import History, Profile, Published, StoredSlate, history_of
from features.profile_codec import (
    decode_history,
    decode_published,
    encode,
    exposed_digest,
    history_digest,
)
from tests.unit.features.test_profile import AT, event, shown

BOUGHT = history_of([event("e-1", EventType.PURCHASE, "tea"), shown("sl_1", "milk")])


def bare(half: History) -> bytes:
    """A history as a version wrote it that kept no digests."""
    return msgspec.msgpack.encode(half)


def test_digests_are_those_of_a_history_that_was_stored_without() -> None:
    clicked = BOUGHT.fold([event("e-2", EventType.EMAIL_CLICK, "milk")])
    for history in (BOUGHT, clicked, History(returned={"tea": AT}), History(latest={"view": AT})):
        assert encode(history) != bare(history)
        for digest in (history_digest, exposed_digest):
            assert digest(encode(history)) == digest(bare(history))
    assert history_digest(bare(BOUGHT)) != history_digest(bare(clicked)) > 0


def test_digests_stand_first_and_are_read_without_a_look_at_the_rest() -> None:
    stored = encode(BOUGHT)
    assert next(iter(msgspec.msgpack.decode(stored))) == "digest"
    for digest in (history_digest, exposed_digest):
        assert digest(stored[:30]) == digest(stored) > 0


def test_who_knows_of_no_digests_reads_the_same_history() -> None:
    said = msgspec.msgpack.decode(encode(BOUGHT))
    assert len(said.pop("digest")) == 16
    assert said == msgspec.msgpack.decode(bare(BOUGHT))
    assert msgspec.msgpack.decode(encode(BOUGHT), type=History) == BOUGHT
    assert decode_history(bare(BOUGHT)) == decode_history(encode(BOUGHT)) == BOUGHT


def test_an_empty_history_and_what_is_published_have_no_digests() -> None:
    assert encode(History()) == bare(History()) == b"\x80"
    assert encode(Published(at=AT)) == msgspec.msgpack.encode(Published(at=AT))


def test_a_history_as_it_was_stored_before_exposures_reads_the_same() -> None:
    older = b"\x82\xa6bought\x81\xa3tea\x01\xa6latest\x81\xa8purchase\x01"
    history = decode_history(older)
    assert history == History(bought={"tea": 1}, latest={"purchase": 1})
    assert decode_history(encode(history)) == history
    for digest in (history_digest, exposed_digest):
        assert digest(older) == digest(encode(history)) > 0


def test_a_slate_that_was_shown_changes_only_the_digest_for_blocks_that_rotate() -> None:
    before = history_of([event("e-1", EventType.PURCHASE, "tea")])
    after = before.fold([shown("sl_1", "milk")])
    assert history_digest(encode(after)) == history_digest(encode(before)) > 0
    assert exposed_digest(encode(after)) != exposed_digest(encode(before)) > 0


def test_the_life_of_a_mail_changes_no_digest_and_a_click_on_an_item_both() -> None:
    before = history_of([event("e-1", EventType.PURCHASE, "tea")])
    opened = before.fold([event("e-2", EventType.EMAIL_OPEN, None)])
    clicked = before.fold([event("e-2", EventType.EMAIL_CLICK, "milk")])
    for digest in (history_digest, exposed_digest):
        assert digest(encode(before)) == digest(encode(opened)) != digest(encode(clicked))


def test_digests_tell_what_was_bought_from_what_was_returned() -> None:
    bought, returned = History(bought={"tea": 1}), History(returned={"tea": 1})
    assert history_digest(encode(bought)) != history_digest(encode(returned)) > 0


def test_the_digest_of_nothing_is_0() -> None:
    nothing = encode(history_of([event("e-1", EventType.SEARCH, None)]))
    for stored in (None, encode(History()), nothing):
        assert history_digest(stored) == exposed_digest(stored) == 0
    only_shown = encode(history_of([shown("sl_1", "tea")]))
    assert history_digest(only_shown) == 0 < exposed_digest(only_shown)


def test_both_halves_survive_the_store() -> None:
    history = history_of([event("e-1", EventType.PURCHASE, "tea")])
    published = Published(
        at=AT, features={"recency": 1.5}, slates={"hero": StoredSlate(("tea",), "recommender/1")}
    )
    assert decode_history(encode(history)) == history
    assert decode_published(encode(published)) == published


def test_nothing_stored_is_the_empty_half() -> None:
    whole = Profile("ck_" + "a" * 32)
    assert (decode_history(None), decode_published(None)) == (whole.history, whole.published)


def test_a_field_of_a_newer_version_is_passed_over_and_other_bytes_are_refused() -> None:
    newer = msgspec.msgpack.encode({"bought": {"tea": AT}, "mood": "sunny"})
    assert decode_history(newer) == History(bought={"tea": AT})
    with pytest.raises(msgspec.DecodeError):
        decode_history(b"\xff")
    for digest in (history_digest, exposed_digest):
        with pytest.raises(msgspec.DecodeError):
            digest(b"\xff")
