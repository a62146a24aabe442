"""Somebody, or the years, lay hands on the archive: an audit finds it, says it, and brings back what can be."""

from __future__ import annotations

import gzip
import json
import re
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from archiver.model import Digest
from archiver.rules import keys
from archiver.rules.amendment import Amendment, Kind, build
from archiver.sandbox import HtmlPage, World
from tests.stories.conftest import Bucket, Directory, NewOperator, put_behind_the_back
from tests.stories.operator import Destination, Operator, Result

AREA = "recordings/dt=2026-09-22"
KINDS = (
    "missing",
    "extra",
    "size_differs",
    "digest_differs",
    "sidecar_differs",
    "amendment_differs",
    "version_differs",
    "orphan",
)


@pytest.fixture
def world() -> World:
    return World.generate(seed=71, recordings=6, days=1)


@pytest.fixture
def someone(world: World, operator: NewOperator, destination: Destination) -> Operator:
    """With everything archived."""
    someone = operator(world, destination)
    assert someone.runs().exit_code == 0
    return someone


def keys_of(someone: Operator, number: int = 0) -> tuple[str, str]:
    """Audio and sidecar of a recording."""
    recording_id = sorted(someone.truth())[number]
    return f"{AREA}/{recording_id}.mp3", f"{AREA}/{recording_id}.vcon.json"


def remove(destination: Destination, key: str) -> None:
    if isinstance(destination, Directory):
        (destination.root / key).unlink()
        return
    assert isinstance(destination, Bucket)
    name = f"voice/{key}"
    for version in destination.client.list_object_versions(Bucket=destination.name, Prefix=name)["Versions"]:
        destination.client.delete_object(Bucket=destination.name, Key=name, VersionId=version["VersionId"])


def lay(destination: Destination, key: str, data: bytes) -> None:
    """Put something there behind the archiver's back, with no trace of what was there."""
    if isinstance(destination, Bucket) and key in destination.objects():
        remove(destination, key)
    put_behind_the_back(destination, key, data)


def states(someone: Operator) -> dict[str, str]:
    with sqlite3.connect(someone.manifest) as connection:
        return dict(connection.execute("SELECT id, state FROM recordings"))


def last_event(someone: Operator, recording_id: str) -> tuple[str, str]:
    with sqlite3.connect(someone.manifest) as connection:
        query = "SELECT event, reason FROM events WHERE recording_id = ? ORDER BY id DESC LIMIT 1"
        event, reason = connection.execute(query, [recording_id]).fetchone()
    return event, reason


def audit(someone: Operator, *words: str) -> Result:
    return someone.types("audit", "--json", *words)


def found(result: Result) -> dict[str, set[str]]:
    """Keys by kind of finding; held against the summary's counts, where the bucket keeps no versions."""
    by_kind = {kind: [event["key"] for event in result.of(kind)] for kind in KINDS}
    assert all(result.events[-1][kind] == len(named) for kind, named in by_kind.items())
    return {kind: set(named) for kind, named in by_kind.items() if named and kind != "version_differs"}


@pytest.mark.parametrize("words", [(), ("--deep",), ("--shard", "1/1"), ("--sample", "100%")])
def test_an_untouched_archive(words: tuple[str, ...], someone: Operator, destination: Destination) -> None:
    before = destination.objects()
    result = audit(someone, *words)
    assert result.exit_code == 0, result.stdout
    assert [event["type"] for event in result.events] == ["summary"]
    summary = result.events[-1]
    assert (summary["recordings"], summary["objects"], summary["read"]) == (6, 13, 6), "a part of the call log too"
    assert destination.objects() == before
    assert someone.types("status", "--max-age", "1h").exit_code == 0


def test_audio_deleted_drifts_and_the_next_run_brings_it_back(someone: Operator, destination: Destination) -> None:
    key, _ = keys_of(someone)
    remove(destination, key)

    result = audit(someone)

    assert result.exit_code == 5
    assert found(result)["missing"] == {key}
    victim = sorted(someone.truth())[0]
    assert states(someone)[victim] == "discovered"
    assert last_event(someone, victim)[0] == "drifted"
    assert key not in destination.objects()
    assert audit(someone).exit_code == 5, "until it is back"
    assert someone.runs().exit_code == 0
    assert someone.archived() == someone.truth()
    assert audit(someone).exit_code == 0


@pytest.mark.parametrize("repair", [True, False])
def test_a_sidecar_deleted_is_made_again_though_the_source_knows_the_recording_no_more(
    repair: bool, world: World, someone: Operator, destination: Destination
) -> None:
    audio, key = keys_of(someone)
    victim = sorted(someone.truth())[0]
    first = json.loads(destination.objects()[key])
    days, kept = someone.days(), someone.truth()
    remove(destination, key)
    world.remove(victim)

    result = audit(someone, *(["--repair"] if repair else []))

    assert result.exit_code == 5
    assert found(result) == {"missing": {key}}
    assert (result.events[-1]["drifted"], result.events[-1]["unsealed"]) == (0, 1)
    if repair:
        assert (result.events[-1]["repaired"], result.events[-1]["not_repaired"]) == (1, 0)
    else:
        assert states(someone)[victim] == "stored"
        assert last_event(someone, victim)[0] == "unsealed"
        assert someone.types("run", *days).exit_code == 0
    assert states(someone)[victim] == "archived"
    assert someone.archived() == kept
    second = json.loads(destination.objects()[key])
    assert (first["archive"].pop("reconstructed"), second["archive"].pop("reconstructed")) == (False, True)
    changed = {"run_id", "archived_at", "reasons"}
    for name in first["archive"].keys() - changed:
        assert second["archive"][name] == first["archive"][name], name
    assert second["archive"]["run_id"].startswith("audit-")
    for name in ("vcon", "uuid", "parties", "dialog"):
        assert second[name] == first[name], name
    assert second["attachments"][0] == first["attachments"][0]
    facts, before = (document["analysis"][0]["body"] for document in (second, first))
    assert facts.pop("transfer") is None
    assert facts == {name: value for name, value in before.items() if name != "transfer"}
    assert audit(someone, "--deep").exit_code == 0
    assert someone.types("manifest", "check").exit_code == 0
    assert audio in destination.objects()


def test_a_sidecar_deleted_beside_damaged_audio_is_not_made_again(someone: Operator, destination: Destination) -> None:
    """The size is as it was: only the bytes tell, before anything is sealed with a digest that they do not have."""
    audio, key = keys_of(someone)
    victim = sorted(someone.truth())[0]
    data = bytearray(destination.objects()[audio])
    data[len(data) // 2] ^= 1
    lay(destination, audio, bytes(data))
    remove(destination, key)
    assert audit(someone, "--deep").exit_code == 5
    assert states(someone)[victim] == "quarantined"
    assert key not in destination.objects()


def test_a_byte_flipped(someone: Operator, destination: Destination) -> None:
    key, _ = keys_of(someone)
    data = bytearray(destination.objects()[key])
    data[len(data) // 2] ^= 1
    lay(destination, key, bytes(data))
    before = destination.objects()

    result = audit(someone, "--deep")

    assert result.exit_code == 5
    assert found(result) == {"digest_differs": {key}}
    (finding,) = result.of("digest_differs")
    assert finding["expected"] != finding["found"]
    victim = sorted(someone.truth())[0]
    assert states(someone)[victim] == "quarantined"
    event, reason = last_event(someone, victim)
    assert event == "corrupted"
    assert "SHA-256" in reason
    assert destination.objects() == before, "nothing deleted, nothing overwritten"
    assert found(audit(someone)) == {"digest_differs": {key}}, "until a person has looked"


def test_audio_truncated(someone: Operator, destination: Destination) -> None:
    key, _ = keys_of(someone)
    lay(destination, key, destination.objects()[key][:-100])
    result = audit(someone, "--sample", "0.0001%")
    assert result.exit_code == 5
    assert found(result) == {"size_differs": {key}}
    assert states(someone)[sorted(someone.truth())[0]] == "quarantined"


@pytest.mark.parametrize("same_size", [True, False])
def test_a_sidecar_edited(same_size: bool, someone: Operator, destination: Destination) -> None:
    _, key = keys_of(someone)
    edited = destination.objects()[key].replace(b'"verified"', b'"verifieD"' if same_size else b'"suspect"')
    lay(destination, key, edited)
    result = audit(someone)
    assert result.exit_code == 5
    assert found(result) == {"sidecar_differs": {key}}
    assert states(someone)[sorted(someone.truth())[0]] == "quarantined"


def test_two_pairs_swapped(someone: Operator, destination: Destination) -> None:
    one, other = keys_of(someone, 0), keys_of(someone, 1)
    objects = destination.objects()
    for key, from_key in [*zip(one, other, strict=True), *zip(other, one, strict=True)]:
        lay(destination, key, objects[from_key])
    result = audit(someone)
    assert result.exit_code == 5
    there = found(result)
    assert there["sidecar_differs"] == {one[1], other[1]}
    assert there.get("size_differs", set()) | there.get("digest_differs", set()) == {one[0], other[0]}


def test_a_sidecar_that_the_manifest_has_but_that_speaks_of_other_audio(
    someone: Operator, directory: Destination
) -> None:
    """As after a manifest that was edited: the digests agree, the words do not."""
    audio, key = keys_of(someone)
    with sqlite3.connect(someone.manifest) as connection:
        connection.execute("UPDATE recordings SET sidecar_digest = NULL WHERE audio_key = ?", [audio])
    content = someone.destination.objects()[key]
    lay(someone.destination, key, content.replace(sorted(someone.truth())[0].encode(), b"0" * 36))
    assert "recording id" in audit(someone).of("sidecar_differs")[0]["reason"]


def test_what_the_manifest_does_not_know(someone: Operator, destination: Destination) -> None:
    pair = keys_of(someone)
    objects = destination.objects()
    strangers = [f"{AREA}/stranger{key.removeprefix(AREA)[37:]}" for key in pair]
    for stranger, key in zip(strangers, pair, strict=True):
        lay(destination, stranger, objects[key])
    alone = [f"{AREA}/alone.mp3", "quarantine/dt=1999-01-01/alone.vcon.json"]
    odd = ["recordings/readme.txt", f"{AREA}/a/b.mp3", "recordings/dt=someday/x.mp3"]
    if isinstance(destination, Bucket):  # a file cannot be a directory as well
        odd += [f"{pair[0]}/below", f"{pair[0].removesuffix('mp3')}/x"]
    for key in [*alone, *odd, "doctor/probe-1"]:
        lay(destination, key, b"something")

    result = audit(someone)

    assert result.exit_code == 5
    assert found(result) == {"extra": set(strangers), "orphan": {*alone, *odd, "doctor/probe-1"}}
    assert set(states(someone).values()) == {"archived"}


def test_what_a_dead_process_left_in_scratch(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    left = directory.root / ".scratch" / "archiver-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    assert found(audit(someone)) == {"orphan": {".scratch/archiver-0123456789abcdef"}}
    assert (left / "half").exists()


def test_old_rejected_bytes_are_no_finding(operator: NewOperator, destination: Destination) -> None:
    world = World.generate(seed=72, recordings=4, days=1)
    victim = world.recordings()[0]
    world.replace(victim.evolve(faults=(HtmlPage(),)))
    someone = operator(world, destination)
    assert someone.runs().exit_code == 4
    assert audit(someone).exit_code == 0
    world.replace(victim)
    assert someone.types("requeue", "--id", victim.id, "--reason", "mended at the source").exit_code == 0
    assert audit(someone).exit_code == 0, "rejected bytes stay where they are"
    assert someone.runs().exit_code == 0
    assert audit(someone).exit_code == 0
    page = next(key for key in destination.objects() if key.startswith("quarantine/") and "vcon" in key)
    remove(destination, page)
    assert len(found(audit(someone))["orphan"]) == 1


def test_versions(world: World, operator: NewOperator, new_bucket: Callable[[], Bucket]) -> None:
    bucket = new_bucket()
    someone = operator(world, bucket)
    assert someone.runs().exit_code == 0
    (key, _), (gone, _) = keys_of(someone, 0), keys_of(someone, 1)
    same = bucket.objects()[key]
    bucket.client.put_object(Bucket=bucket.name, Key=f"voice/{key}", Body=same)
    bucket.client.delete_object(Bucket=bucket.name, Key=f"voice/{gone}")

    result = audit(someone)

    assert result.exit_code == 5
    assert {event["key"] for event in result.of("version_differs")} == {key}
    assert {(event["key"], event["reason"]) for event in result.of("missing")} == {
        (gone, "deleted; the bucket still keeps an older version")
    }
    ids = sorted(someone.truth())
    assert states(someone)[ids[0]] == "archived", "the bytes are the same"
    assert states(someone)[ids[1]] == "discovered"


def test_a_dry_run_changes_no_recording(someone: Operator, destination: Destination) -> None:
    remove(destination, keys_of(someone, 0)[0])
    lay(destination, keys_of(someone, 1)[0], b"damaged")
    before = states(someone), destination.objects()
    result = audit(someone, "--dry-run")
    assert result.exit_code == 5
    assert {"missing", "size_differs"} <= found(result).keys()
    assert result.events[-1]["dry_run"] is True
    assert (states(someone), destination.objects()) == before


def test_repair_brings_back_what_the_source_has(someone: Operator, destination: Destination) -> None:
    remove(destination, keys_of(someone, 0)[0])
    remove(destination, keys_of(someone, 1)[1])
    damaged = keys_of(someone, 2)[0]
    lay(destination, damaged, b"damaged")

    result = audit(someone, "--repair")

    assert result.exit_code == 5
    summary = result.events[-1]
    assert (summary["drifted"], summary["unsealed"], summary["corrupted"]) == (1, 1, 1)
    assert (summary["repaired"], summary["not_repaired"]) == (2, 1)
    assert len(result.of("repair_run")) == 1
    assert "nothing is ever written over a key" in result.of("not_repairable")[0]["reason"]
    assert destination.objects()[damaged] == b"damaged"
    assert sorted(states(someone).values()) == ["archived"] * 5 + ["quarantined"]


def test_repair_says_what_the_source_has_no_more(world: World, someone: Operator, destination: Destination) -> None:
    victim = sorted(someone.truth())[0]
    remove(destination, keys_of(someone)[0])
    world.remove(victim)
    result = audit(someone, "--repair")
    assert result.exit_code == 5
    assert [event["recording_id"] for event in result.of("not_repaired")] == [victim]
    assert result.events[-1]["not_repaired"] == 1


def test_damage_is_mended_by_a_person(someone: Operator, destination: Destination) -> None:
    """Requeued in haste it is refused; once the wrong bytes are out of the way it comes back."""
    key, _ = keys_of(someone)
    victim = sorted(someone.truth())[0]
    good = destination.objects()[key]
    lay(destination, key, bytes([good[0] ^ 1]) + good[1:])
    assert audit(someone, "--deep").exit_code == 5
    assert someone.types("requeue", "--id", victim, "--reason", "in haste").exit_code == 0
    assert someone.runs().exit_code == 5
    assert states(someone)[victim] == "discovered"
    remove(destination, key)
    assert someone.runs().exit_code == 0
    assert audit(someone, "--deep").exit_code == 0
    assert someone.archived() == someone.truth()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_audit_which_says_how_far_it_came(
    number: signal.Signals, operator: NewOperator, new_bucket: Callable[[], Bucket]
) -> None:
    bucket = new_bucket()
    someone = operator(World.generate(seed=74, recordings=12, days=3), bucket)
    assert someone.runs().exit_code == 0
    one, *_, last = sorted(key for key in bucket.objects() if key.endswith(".mp3"))
    remove(bucket, one)
    bucket.server.held = f"HEAD .*{re.escape(last)}.*"
    try:
        process = someone.begins("audit", "--json")
        process.until(lambda: any(bucket.name in asked for asked in bucket.server.holding))
        process.until(lambda: one in process.out.read_text())
        process.send_signal(number)
        process.says("the audit ends here")
    finally:
        bucket.server.held = ""
    stdout, _ = process.communicate(timeout=60)

    assert process.returncode == 128 + number
    summary = Result(process.returncode, stdout, "").events[-1]
    assert summary["stopped"] == number.name
    assert someone.days()[1] <= summary["whole_before"] <= someone.days()[3]
    assert (summary["missing"], summary["drifted"]) == (1, 1), "what was concluded stays"
    assert 0 < summary["read"] < 12
    with sqlite3.connect(someone.manifest) as connection:
        query = "SELECT exit_code, summary FROM runs WHERE run_id = ? AND ended_at IS NOT NULL"
        exit_code, noted = connection.execute(query, [summary["run_id"]]).fetchone()
    assert exit_code == 128 + number
    assert json.loads(noted)["whole_before"] == summary["whole_before"]
    assert sorted(states(someone).values()) == ["archived"] * 11 + ["discovered"]
    assert audit(someone).exit_code == 5


def test_the_shards_cover_everything_once(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    for number in range(6):
        remove(directory, keys_of(someone, number)[0])
        lay(directory, f"{AREA}/stranger-{number}.mp3", b"x")
    results = [audit(someone, "--dry-run", "--shard", f"{n}/7") for n in range(1, 8)]
    for kind in ("missing", "orphan"):
        told = [event["key"] for result in results for event in result.of(kind)]
        assert len(told) == len(set(told))
        assert set(told) == {event["key"] for event in audit(someone, "--dry-run").of(kind)}
    assert sum(result.events[-1]["recordings"] for result in results) == 6
    assert sum(result.events[-1]["objects"] for result in results) == 13


def test_a_sample_is_chosen_by_its_seed(operator: NewOperator, directory: Directory) -> None:
    someone = operator(World.generate(seed=73, recordings=40, days=2), directory)
    assert someone.runs().exit_code == 0
    for path in directory.root.rglob("*.mp3"):
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])

    def told(*words: str) -> set[str]:
        return found(audit(someone, "--dry-run", "--sample", "25%", *words)).get("digest_differs", set())

    one = told("--seed", "one")
    assert 0 < len(one) < 40
    assert told("--seed", "one") == one
    assert told("--seed", "other") != one
    summary = audit(someone, "--dry-run", "--sample", "25%").events[-1]
    assert summary["sample"] == 0.25
    assert len(told("--seed", summary["seed"])) == summary["digest_differs"]


def test_a_bucket_that_holds_nothing_is_taken_for_the_wrong_one(
    world: World, operator: NewOperator, directory: Directory, tmp_path: Path
) -> None:
    someone = operator(world, directory)
    assert someone.runs().exit_code == 0
    (directory.root / "recordings").rename(tmp_path / "elsewhere")
    result = audit(someone)
    assert result.exit_code == 10
    assert "is it mounted" in result.stderr
    assert set(states(someone).values()) == {"archived"}


def test_words_for_people(world: World, operator: NewOperator, directory: Directory) -> None:
    someone = operator(world, directory)
    assert someone.types("audit").exit_code == 10, "no manifest yet"
    assert someone.runs().exit_code == 0
    assert "6 recordings audited: nothing found" in someone.types("audit").stdout
    remove(directory, keys_of(someone)[0])
    told = someone.types("audit", "--sample", "50%", "--seed", "s").stdout
    assert f"missing: {keys_of(someone)[0]}: not in the bucket" in told
    assert "6 recordings audited: 1 missing, 1 orphan" in told or "6 recordings audited: 1 missing" in told
    assert "(a sample of 50%, seed s)" in told
    for wrong in (["--sample", "0%"], ["--sample", "5"], ["--shard", "0/3"], ["--shard", "4/3"]):
        assert someone.types("audit", *wrong).exit_code == 2
    assert someone.types("audit", "--repair", "--dry-run").exit_code == 2


def amend(
    someone: Operator, recording_id: str, number: int = 1, before: bytes | None = None, of: Digest | None = None
) -> str:
    """Key of an amendment, put there."""
    day = date(2026, 9, 22)
    of = of or Digest.sha256_of(someone.destination.objects()[keys.sidecar_key(recording_id, day)])
    at, previous = datetime(2026, 11, 22, tzinfo=UTC), before and Digest.sha256_of(before)
    document = Amendment(recording_id, number, Kind.CALL, at, "a-run", "a test", of, previous or None, {})
    key = keys.amendment_key(recording_id, day, number)
    put_behind_the_back(someone.destination, key, build(document))
    return key


def test_amendments_belong_to_their_recordings(someone: Operator, destination: Destination) -> None:
    """Neither audit nor adoption nor a rebuild trips over them; alone they are orphans."""
    key = amend(someone, sorted(someone.truth())[0])
    assert audit(someone).exit_code == 0
    for command in (("manifest", "rebuild"), ("manifest", "check"), ("audit", "--deep")):
        result = someone.types(*command)
        assert result.exit_code == 0, result.stdout
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    before = destination.objects()
    assert someone.runs().exit_code == 0
    assert destination.objects() == before
    assert key in before
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    assert someone.types("manifest", "rebuild").exit_code == 0
    assert set(states(someone).values()) == {"archived"}


def test_a_chain_of_amendments_is_broken(someone: Operator, destination: Destination) -> None:
    ids = sorted(someone.truth())[:4]
    first = {name: amend(someone, name) for name in ids}
    second = {name: amend(someone, name, 2, destination.objects()[first[name]]) for name in ids}
    assert found(audit(someone)) == {}
    taken, edited, alien, whole = ids
    remove(destination, first[taken])
    content = destination.objects()[first[edited]]
    lay(destination, first[edited], content.replace(b"a-run", b"b-run"))
    lay(destination, second[alien], destination.objects()[second[whole]])

    result = audit(someone)

    assert result.exit_code == 5
    assert found(result) == {"amendment_differs": {first[taken], second[edited], second[alien]}}
    assert {event["reason"] for event in result.of("amendment_differs") if event["key"] == first[taken]} == {
        "not there, and number 2 is"
    }
    assert set(states(someone).values()) == {"archived"}, "audio and sidecar are what they were"


def test_amendments_of_a_sidecar_that_was_made_again(someone: Operator, destination: Destination) -> None:
    recording_id = sorted(someone.truth())[0]
    first = amend(someone, recording_id)
    remove(destination, keys_of(someone)[1])
    assert audit(someone, "--repair").events[-1]["repaired"] == 1
    second = amend(someone, recording_id, 2, destination.objects()[first])
    assert found(audit(someone)) == {}, "the first one names the sidecar that is lost"
    remove(destination, second)
    other = Digest.sha256_of(b"no sidecar of ours")
    swapped = amend(someone, sorted(someone.truth())[1], of=other)
    assert found(audit(someone)) == {"amendment_differs": {swapped}}


def test_an_amendment_without_its_sidecar_is_an_orphan(someone: Operator, destination: Destination) -> None:
    recording_id = sorted(someone.truth())[0]
    amendment = amend(someone, recording_id)
    for key in keys_of(someone):
        remove(destination, key)
    assert found(audit(someone)) == {"missing": set(keys_of(someone)), "orphan": {amendment}}
    for path in someone.home.glob("manifest.db*"):
        path.unlink()
    problems = json.loads(someone.types("manifest", "rebuild", "--json").stdout)["problems"]
    assert problems == [
        f"{amendment}: an amendment without the sidecar that it amends",
        "periods/dt=2026-09-22/statement.json: 1 of its recordings are not in the bucket as it says",
    ]


def rewrite(content: bytes) -> bytes:
    """The part with a word changed, whole in itself."""
    return gzip.compress(gzip.decompress(content).replace(b'"RECEIVED"', b'"received"'), mtime=0)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (None, "missing"),
        (lambda content: content[:-20], "digest_differs"),
        (lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:], "digest_differs"),
        (rewrite, "digest_differs"),
    ],
    ids=["missing", "truncated", "flipped", "edited"],
)
def test_a_part_of_the_call_log_is_damaged(
    damage: Callable[[bytes], bytes] | None, kind: str, world: World, someone: Operator, destination: Destination
) -> None:
    key = "calls/dt=2026-09-22/part-0001.ndjson.gz"
    content = destination.objects()[key]
    if damage is None:
        remove(destination, key)
    else:
        assert damage(content) != content
        lay(destination, key, damage(content))
    assert found(audit(someone, "--dry-run")) == {kind: {key}}
    checked = someone.types("manifest", "check")
    assert (checked.exit_code, checked.stdout.count(key)) == (5, 1)

    result = audit(someone, "--repair")

    assert result.exit_code == 5
    assert found(result) == {kind: {key}}
    assert result.events[-1]["call_days_differ"] == 1
    rows: dict[str, dict[str, object]] = {}
    for part, data in sorted(destination.objects().items()):
        if part.startswith("calls/") and (part != key or damage in (None, rewrite)):
            rows |= {row["id"]: row for row in map(json.loads, gzip.decompress(data).splitlines())}
    assert rows.keys() == {call.id for call in world.calls()}, "what the source has is there again"
    assert b"received" not in json.dumps(list(rows.values())).encode()
    assert set(states(someone).values()) == {"archived"}
    again = found(audit(someone))
    assert again == ({} if damage in (None, rewrite) else {"digest_differs": {key}}), "until a person has removed it"


def test_a_day_that_has_lost_calls_is_due_again(today: date, operator: NewOperator, destination: Destination) -> None:
    day = today - timedelta(days=8)
    someone = operator(World.generate(seed=86, recordings=4, days=1, start_day=day), destination)
    someone.settings = {"windows": {"since": day, "lookback_days": 3}}
    assert someone.runs(days=False).exit_code == 0
    key = f"calls/dt={day}/part-0001.ndjson.gz"
    content = destination.objects()[key]
    remove(destination, key)
    assert found(audit(someone, "--dry-run")) == {"missing": {key}}
    assert str(day) not in listed(someone.runs(days=False)), "a dry run changes nothing"

    assert found(audit(someone)) == {"missing": {key}}

    result = someone.runs(days=False)
    assert result.exit_code == 0
    assert str(day) in listed(result)
    assert destination.objects()[key] == content
    assert found(audit(someone)) == {}
    assert str(day) not in listed(someone.runs(days=False)), "closed again"


def listed(result: Result) -> set[str]:
    return {event["window"] for event in result.of("window")}


def test_what_does_not_belong_to_the_call_log(someone: Operator, destination: Destination) -> None:
    part = destination.objects()["calls/dt=2026-09-22/part-0001.ndjson.gz"]
    strange = "calls/dt=2026-09-21/part-0001.ndjson.gz"
    odd = ["calls/readme.txt", "calls-parquet/dt=2026-09-22/part-0007.parquet", "calls/dt=2026-09-22/part-1.ndjson.gz"]
    lay(destination, strange, part)
    for key in odd:
        lay(destination, key, b"something")
    assert found(audit(someone)) == {"extra": {strange}, "orphan": set(odd)}
