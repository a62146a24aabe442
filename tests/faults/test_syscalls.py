"""EIO, ENOSPC and EINTR out of the n-th system call of a run. ``make crash`` tries more of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.syscalls import Point, suffer, works

POINTS = [
    Point("fsync", "EIO", 1),
    Point("link", "ENOSPC", 2),
    Point("pwrite64", "ENOSPC", 8),
    Point("write", "EINTR", 3),
    Point("unlink", "EIO", 1),
]


@pytest.mark.skipif(not works(), reason="NOT RUN: needs strace (apt-get install strace) and the right to trace")
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_a_system_call_that_fails(point: Point, tmp_path: Path) -> None:
    fired, violations = suffer(point, tmp_path)
    assert fired, "the failure did not fire: the case proves nothing"
    assert violations == []
