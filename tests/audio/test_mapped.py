"""A large file is mapped, and what was looked at does not stay in memory."""

from __future__ import annotations

import re
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pytest

from archiver.audio import probe
from archiver.sandbox import Mp3Form, Speech

MIB = 1 << 20


def resident(path: Path) -> int:
    """Bytes of a mapped file that this process holds in memory."""
    maps = Path("/proc/self/smaps").read_text()
    ours = maps[maps.index(str(path)) :]
    found = re.search(r"^Rss: +(\d+) kB", ours, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs the proc file system of Linux")
@pytest.mark.parametrize("vbr", [False, True], ids=["constant", "variable"])
def test_a_mapped_file_is_let_go_of_as_it_is_walked(vbr: bool, tmp_path: Path) -> None:
    form = Mp3Form(44_100, 320, channels=2, vbr=vbr)
    path = tmp_path / "long.mp3"
    path.write_bytes(b"".join(Speech(400, seed, form).render() for seed in range(4)))
    assert path.stat().st_size > 24 * MIB
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        sum(mapped[at] for at in range(0, len(mapped), 4096))
        assert resident(path) > 16 * MIB, "all of it, once every page was looked at"
        facts = probe(mapped)
        assert resident(path) < 4 * MIB
    assert facts.length == pytest.approx(1600, abs=1)
