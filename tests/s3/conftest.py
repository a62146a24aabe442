"""A bucket that locks, and everything that the stories of the other rooms have."""

from __future__ import annotations

from tests.s3 import localstack

collect_ignore_glob = [] if localstack.PYTHON else ["test_*.py"]
