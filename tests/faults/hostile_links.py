"""Links that a source under somebody else's control might hand out: each wants us to ask where we must not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

LOCAL = (
    *("127.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1"),
    *(
        "017700000001",
        "127.000.000.001",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "localhost.localdomain",
        "ip6-localhost",
    ),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]", "[fe80::1%25lo]"),
    *("①②⑦.⓪.⓪.①", "１２７．０．０．１", "127。0。0。1", "ⓛocalhost", "169.254.169.254", "metadata.google.internal"),
    *(
        "[fd00:ec2::254]",
        "100.100.100.200",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ),
)
GOOD = "recordings.s3.amazonaws.com"
SCHEMES = ("http", "https", "HTTPS", "ftp", "file", "gopher", "ws", "data", "javascript", "//", "")
SHAPES = (
    "https://{good}@{local}:{port}/a.mp3",
    "https://{good}:443@{local}:{port}/a.mp3",
    "https://{local}:{port}#@{good}/a.mp3",
    "https://{local}:{port}?@{good}/a.mp3",
    "https://{local}:{port}/.{good}/a.mp3",
    "https://{local}:{port}\\@{good}/a.mp3",
    "https://{local}:{port}\\.{good}/a.mp3",
    "https://{local}\\.{good}:{port}/a.mp3",
    "https://{local}%2f.{good}:{port}/a.mp3",
    "https://{local}%00.{good}:{port}/a.mp3",
    "https://{local}\t.{good}:{port}/a.mp3",
    "https://{local}\n.{good}:{port}/a.mp3",
    "https://{local} .{good}:{port}/a.mp3",
    "https:\\\\{local}:{port}\\a.mp3",
    "https:///{local}:{port}/a.mp3",
    "https:{local}:{port}/a.mp3",
    "https://{good}.{local}:{port}/a.mp3",
    "https://{good}@{local}@{good}:{port}/a.mp3",
    " https://{local}:{port}/a.mp3",
    "\x00https://{local}:{port}/a.mp3",
)
REBINDING = (
    *("https://recordings.s3.amazonaws.com:{port}/a.mp3", "https://a.b.c.amazonaws.com:{port}/a.mp3"),
    *("https://REBOUND.amazonaws.com:{port}/a.mp3", "https://rebound.amazonaws.com.:{port}/a.mp3"),
)
"""Allowed names: the resolver says loopback."""


def hostile_links(port: int) -> Iterator[str]:
    """Some hundreds, all aimed at ``port`` of this machine, or at what only this machine can reach."""
    for scheme, local in itertools.product(SCHEMES, LOCAL):
        slashes = "" if scheme in ("//", "") else "://"
        yield f"{scheme}{slashes}{local}:{port}/a.mp3"
    for shape, local in itertools.product(SHAPES, LOCAL[:10]):
        yield shape.format(good=GOOD, local=local, port=port)
    yield from (link.format(port=port) for link in REBINDING)
