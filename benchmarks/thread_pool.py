"""What most people write first: requests and boto3 in a pool of threads. A peer of ``benchmarks.compare``.

No verification, no sidecar, no manifest. Arguments: the list (URL, tab, key), endpoint, bucket, threads, CA file or -.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import requests
from botocore.config import Config

listing, endpoint, bucket, threads, ca = sys.argv[1:]
config = Config(
    max_pool_connections=int(threads),
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    s3={"addressing_style": "path"},
)
verify = None if ca == "-" else ca
s3 = boto3.client("s3", endpoint_url=endpoint, verify=verify, config=config, region_name="us-east-1")
own = threading.local()


def move(line: str) -> None:
    """One recording."""
    if not hasattr(own, "session"):
        own.session = requests.Session()
    url, key = line.split("\t")
    answer = own.session.get(url, timeout=60, verify=verify or True)
    answer.raise_for_status()
    s3.put_object(Bucket=bucket, Key=key, Body=answer.content, ContentType="audio/mpeg")


with ThreadPoolExecutor(int(threads)) as pool:
    for _ in pool.map(move, Path(listing).read_text().splitlines()):
        pass
