"""Keys are safe whatever an id looks like, and no two ids share one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.model import Digest
from archiver.rules import keys

DAY = date(2019, 6, 11)
SAFE = re.compile(r"(recordings|quarantine)/dt=2019-06-11/[A-Za-z0-9_-]{1,128}(\.[0-9a-f]{12})?\.[a-z0-9.]+")


def test_a_plain_id_stands_as_it_is() -> None:
    recording_id = "c136768e-8c0e-11e9-b795-6c2b59c79f5a"
    assert keys.audio_key(recording_id, DAY, "mp3") == f"recordings/dt=2019-06-11/{recording_id}.mp3"
    assert keys.sidecar_key(recording_id, DAY) == f"recordings/dt=2019-06-11/{recording_id}.vcon.json"
    assert keys.quarantine_keys(recording_id, DAY, "html") == (
        f"quarantine/dt=2019-06-11/{recording_id}.html",
        f"quarantine/dt=2019-06-11/{recording_id}.vcon.json",
    )


@pytest.mark.parametrize(
    "hostile",
    ["../../etc/passwd", "..", ".", "", "a/b", "a\\b", "%2e%2e", "a\x00b", "\u202egpj.exe", "x" * 129, "x" * 2000, "é"],
)
def test_hostile_ids_are_hashed(hostile: str) -> None:
    assert re.fullmatch(r"h-[0-9a-f]{64}", keys.stem(hostile))


@given(st.text())
def test_any_id_gives_a_safe_key(recording_id: str) -> None:
    found = (
        keys.audio_key(recording_id, DAY, "mp3"),
        keys.sidecar_key(recording_id, DAY),
        *keys.quarantine_keys(recording_id, DAY, "bin", "0123456789ab"),
    )
    for key in found:
        assert SAFE.fullmatch(key)
        assert ".." not in key


def test_an_amendment_stands_beside_its_sidecar() -> None:
    key = keys.amendment_key("a-b", DAY, 12)
    assert key == "recordings/dt=2019-06-11/a-b.amendment-0012.json"
    assert keys.amendment_of(key) == (keys.sidecar_key("a-b", DAY), 12)
    assert keys.amendment_of(keys.amendment_key("a", DAY, 10_000)) == (keys.sidecar_key("a", DAY), 10_000)
    for other in (
        "a-b.amendment-0000.json",
        "a-b.amendment-00012.json",
        "a-b.amendment-12.json",
        "a.b.amendment-0001.json",
    ):
        assert keys.amendment_of(f"recordings/dt=2019-06-11/{other}") is None


@given(st.text(), st.text())
def test_two_ids_never_share_a_key(one: str, other: str) -> None:
    assert (keys.stem(one) == keys.stem(other)) == (one == other)


def test_an_id_that_no_encoding_has_is_hashed_all_the_same() -> None:
    """A lone surrogate comes out of JSON; text strategies leave it out."""
    assert re.fullmatch(r"h-[0-9a-f]{64}", keys.stem("\ud800"))
    assert keys.stem("\ud800") != keys.stem("\ud801")


def test_an_id_that_looks_like_a_hash_is_hashed_itself() -> None:
    disguised = keys.stem("../x")
    assert keys.stem(disguised) != disguised


PLAN = Digest("sha256", "0123456789abcdef" * 4)
LAYOUT: dict[str, Callable[[], str]] = {
    "recordings/dt=2019-06-11/a-b.mp3": lambda: keys.audio_key("a-b", DAY, "mp3"),
    "recordings/dt=2019-06-11/a-b.vcon.json": lambda: keys.sidecar_key("a-b", DAY),
    "recordings/dt=2019-06-11/a-b.amendment-0001.json": lambda: keys.amendment_key("a-b", DAY, 1),
    "quarantine/dt=2019-06-11/a-b.0123.mp3": lambda: keys.quarantine_keys("a-b", DAY, "mp3", "0123")[0],
    "quarantine/dt=2019-06-11/a-b.0123.vcon.json": lambda: keys.quarantine_keys("a-b", DAY, "mp3", "0123")[1],
    "calls/dt=2019-06-11/part-0003.ndjson.gz": lambda: keys.call_part_key(DAY, 3),
    "calls-parquet/dt=2019-06-11/part-0003.parquet": lambda: keys.call_copy_key(DAY, 3),
    "periods/dt=2019-06-11/statement.json": lambda: keys.period_document_key(DAY, 0),
    "periods/dt=2019-06-11/amendment-0002.json": lambda: keys.period_document_key(DAY, 2),
    "periods/dt=2019-06-11/reconciliation.json": lambda: keys.reconciliation_key(DAY, 1),
    "periods/dt=2019-06-11/reconciliation-0002.json": lambda: keys.reconciliation_key(DAY, 2),
    "periods/dt=2019-06-11/ids-0123456789abcdef.ndjson.gz": lambda: keys.companion_key(DAY, "ids", PLAN),
    "holds/": keys.orders_prefix,
    "holds/case.7/": lambda: keys.orders_prefix("case.7"),
    "holds/case.7/order-0001.json": lambda: keys.order_key("case.7", 1),
    "tombstones/dt=2019-06-11/a-b.json": lambda: keys.tombstone_key("a-b", DAY),
    "disposals/0123456789abcdef/certificate-1.json": lambda: keys.disposal_key(PLAN, "Certificate-1 /.."),
    "manifest/snapshot-00000017.db.gz": lambda: keys.snapshot_keys(17)[0],
    "manifest/snapshot-00000017.json": lambda: keys.snapshot_keys(17)[1],
}
"""Of the bucket: what lies there is found again by these names, years later and by anybody."""


@pytest.mark.parametrize("key", LAYOUT)
def test_the_layout_of_the_bucket(key: str) -> None:
    assert LAYOUT[key]() == key


@pytest.mark.parametrize("number", [1, 42, 9_999, 10_000, 999_999_999])
def test_a_numbered_key_tells_its_number_again(number: int) -> None:
    assert keys.call_part_of(keys.call_part_key(DAY, number)) == (DAY, number)
    assert keys.call_copy_of(keys.call_copy_key(DAY, number)) == (DAY, number)
    assert keys.order_of(keys.order_key("m", number)) == ("m", number)
    assert keys.period_document_of(keys.period_document_key(DAY, number)) == (DAY, number)
    assert keys.reconciliation_number(keys.reconciliation_key(DAY, number), DAY) == number
    assert keys.amendment_of(keys.amendment_key("a", DAY, number)) == (keys.sidecar_key("a", DAY), number)
    for key in keys.snapshot_keys(min(number, 99_999_999)):
        assert keys.snapshot_of(key) == min(number, 99_999_999)
    assert keys.period_document_of(keys.period_document_key(DAY, 0)) == (DAY, 0)


@pytest.mark.parametrize("digits", ["00001", "1", "0000", "1" * 10, "000x", "-001", ""])
def test_two_keys_never_have_the_same_number(digits: str) -> None:
    """Only the name that would be given is read: another spelling of a number is somebody else's object."""
    day = "dt=2019-06-11"
    assert keys.call_part_of(f"calls/{day}/part-{digits}.ndjson.gz") is None
    assert keys.call_copy_of(f"calls-parquet/{day}/part-{digits}.parquet") is None
    assert keys.order_of(f"holds/m/order-{digits}.json") is None
    assert keys.period_document_of(f"periods/{day}/amendment-{digits}.json") is None
    assert keys.amendment_of(f"recordings/{day}/a.amendment-{digits}.json") is None
    assert keys.reconciliation_number(f"periods/{day}/reconciliation-{digits}.json", DAY) is None
    assert keys.snapshot_of(f"manifest/snapshot-{digits}.json") is None


@pytest.mark.parametrize(
    "key",
    [
        "calls/dt=2019-02-30/part-0001.ndjson.gz",
        "calls-parquet/dt=2019-06-11/part-0001.ndjson.gz",
        "periods/dt=2019-02-30/statement.json",
        "periods/dt=2019-06-11/statement.json.gz",
        "elsewhere/dt=2019-06-11/statement.json",
    ],
)
def test_what_is_no_document_of_ours_is_none(key: str) -> None:
    assert keys.call_part_of(key) is None
    assert keys.call_copy_of(key) is None
    assert keys.period_document_of(key) is None
    assert keys.reconciliation_number(key, DAY) is None


def test_a_copy_is_no_part_and_a_part_no_copy() -> None:
    assert keys.call_part_of(keys.call_copy_key(DAY, 1)) is None
    assert keys.call_copy_of(keys.call_part_key(DAY, 1)) is None


@pytest.mark.parametrize("area", ["calls", "calls-parquet", "periods"])
def test_a_document_that_speaks_of_a_day_says_which(area: str) -> None:
    assert keys.document_day(f"{area}/dt=2019-06-11/anything") == DAY
    assert keys.document_day(f"{area}/dt=2019-02-30/anything") is None
    assert keys.document_day(f"{area}/dt=2019-06-11/") is None


@pytest.mark.parametrize("key", ["recordings/dt=2019-06-11/a.mp3", "tombstones/dt=2019-06-11/a.json", "manifest/x"])
def test_a_document_that_speaks_of_no_day(key: str) -> None:
    assert keys.document_day(key) is None


def test_a_tombstone_is_found_from_whatever_lay_beside_it() -> None:
    for key in (
        keys.audio_key("a-b", DAY, "mp3"),
        keys.sidecar_key("a-b", DAY),
        keys.amendment_key("a-b", DAY, 3),
    ):
        assert keys.tombstone_beside(key) == keys.tombstone_key("a-b", DAY)


@pytest.mark.parametrize("matter", ["", "..", ".x", "a/b", "a b", "x" * 65, "ä"])
def test_a_matter_that_cannot_be_a_key_is_refused(matter: str) -> None:
    with pytest.raises(
        ValueError, match=r"^a matter is named by 1 to 64 letters, digits, dots, hyphens and underscores$"
    ):
        keys.order_key(matter, 1)
    assert keys.order_of(f"holds/{matter}/order-0001.json") is None
