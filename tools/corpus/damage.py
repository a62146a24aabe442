"""What happens to recordings on their way: each class of damage as a function of bytes.

``broken`` functions take the bytes, those of another recording of the same kind, and a random source; they give None
where the class does not apply.
"""

from __future__ import annotations

import base64
import gzip
import random
from collections.abc import Callable

Damage = Callable[[bytes, bytes, random.Random], bytes | None]

HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>\n"
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Expired</Message></Error>'
JSON = b'{"status":"ERROR","error":{"code":404,"message":"not found"}}'
TAG = b"ID3\x04\0\0\0\0\x07\x76TIT2\0\0\0\x05\0\0\x03call"


def truncated(percent: int) -> Damage:
    """Only the first ``percent`` % arrived."""

    def cut(data: bytes, _other: bytes, _rng: random.Random) -> bytes:
        return data[: max(1, len(data) * percent // 100)]

    return cut


def last_bytes_missing(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """A handful of bytes short."""
    return data[: -rng.randint(1, min(64, len(data) // 2))]


def head_missing(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """The first part never came."""
    return data[int(len(data) * rng.uniform(0.02, 0.6)) :]


def _span(data: bytes, rng: random.Random, least: float = 0.01, most: float = 0.2) -> tuple[int, int]:
    size = max(600, int(len(data) * rng.uniform(least, most)))
    size = min(size, len(data) // 2)
    start = rng.randint(min(len(data) // 20, 400), len(data) - size)
    return start, start + size


def hole_zeroed(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """A block never written: zeros in its place."""
    start, end = _span(data, rng)
    return data[:start] + bytes(end - start) + data[end:]


def tail_zeroed(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """Space was reserved and the end never written."""
    keep = int(len(data) * rng.uniform(0.3, 0.95))
    return data[:keep] + bytes(len(data) - keep)


def hole_removed(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """A block was left out."""
    start, end = _span(data, rng)
    return data[:start] + data[end:]


def block_duplicated(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """A block was written twice."""
    start, end = _span(data, rng)
    return data[:end] + data[start:end] + data[end:]


def blocks_swapped(data: bytes, _other: bytes, rng: random.Random) -> bytes | None:
    """Two blocks arrived in the wrong order."""
    size = min(8192, len(data) // 4)
    start = rng.randint(size // 2, len(data) - 2 * size - 1)
    first, second = data[start : start + size], data[start + size : start + 2 * size]
    return None if first == second else data[:start] + second + first + data[start + 2 * size :]


def bit_flip(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """One bit is wrong."""
    return _flipped(data, rng, 1)


def bit_flips(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """Twenty bits are wrong."""
    return _flipped(data, rng, 20)


def _flipped(data: bytes, rng: random.Random, count: int) -> bytes:
    changed = bytearray(data)
    for _ in range(count):
        at = rng.randrange(len(changed))
        changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def noise_block(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """A block was overwritten with something else."""
    start, end = _span(data, rng, 0.01, 0.1)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def doubled(data: bytes, _other: bytes, _rng: random.Random) -> bytes:
    """Written twice, one behind the other."""
    return data + data


def concatenated(data: bytes, other: bytes, _rng: random.Random) -> bytes:
    """Another recording follows."""
    return data + other


def spliced(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """The end comes from another recording."""
    share = rng.uniform(0.2, 0.8)
    return data[: int(len(data) * share)] + other[int(len(other) * share) :]


def leading_garbage(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """Something stands before it."""
    return rng.randbytes(rng.randint(16, 3000)) + data


def header_lines(data: bytes, _other: bytes, _rng: random.Random) -> bytes:
    """The response's header was saved with it."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 81920\r\n\r\n" + data


def trailing_garbage(data: bytes, _other: bytes, rng: random.Random) -> bytes:
    """Something follows."""
    return data + rng.randbytes(rng.randint(16, 3000))


def chunk_framing(data: bytes, _other: bytes, _rng: random.Random) -> bytes:
    """The framing of a chunked body was stored inside it."""
    parts = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def newlines(data: bytes, _other: bytes, _rng: random.Random) -> bytes | None:
    """Sent as text: every line feed became two bytes."""
    return data.replace(b"\n", b"\r\n") if data.count(b"\n") > 3 else None


def as_text(data: bytes, _other: bytes, _rng: random.Random) -> bytes:
    """Decoded as UTF-8 and written back: bytes that are no character became a replacement."""
    return data.decode("utf-8", "replace").encode()


def seven_bits(data: bytes, _other: bytes, _rng: random.Random) -> bytes:
    """The top bit of every byte was lost."""
    return bytes(byte & 0x7F for byte in data)


CLASSES: dict[str, Damage] = {
    "truncated 1 %": truncated(1),
    "truncated 10 %": truncated(10),
    "truncated 50 %": truncated(50),
    "truncated 90 %": truncated(90),
    "truncated 99 %": truncated(99),
    "last bytes missing": last_bytes_missing,
    "head missing": head_missing,
    "hole zeroed": hole_zeroed,
    "tail zeroed": tail_zeroed,
    "hole removed": hole_removed,
    "block duplicated": block_duplicated,
    "blocks swapped": blocks_swapped,
    "noise block": noise_block,
    "bit flip": bit_flip,
    "bit flips (20)": bit_flips,
    "doubled": doubled,
    "concatenated": concatenated,
    "spliced": spliced,
    "leading garbage": leading_garbage,
    "header lines": header_lines,
    "trailing garbage": trailing_garbage,
    "chunk framing": chunk_framing,
    "newlines": newlines,
    "as text": as_text,
    "seven bits": seven_bits,
    "gzip": lambda data, _other, _rng: gzip.compress(data, 6, mtime=0),
    "base64": lambda data, _other, _rng: base64.encodebytes(data),
    "html": lambda _data, _other, _rng: HTML,
    "xml": lambda _data, _other, _rng: XML,
    "json": lambda _data, _other, _rng: JSON,
    "zeros": lambda data, _other, _rng: bytes(len(data)),
    "empty": lambda _data, _other, _rng: b"",
    "tag only": lambda _data, _other, _rng: TAG.ljust(1024 + 10, b"\0"),
    "noise": lambda data, _other, rng: rng.randbytes(len(data)),
    "wrong extension": lambda data, _other, _rng: data,
    "swapped (other length)": lambda _data, other, _rng: other,
}
