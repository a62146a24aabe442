"""How long an Opus packet sounds: its first byte or two say so (RFC 6716, 3.1)."""

from __future__ import annotations

_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
MOST = 5760
"""Samples at 48 kHz of the longest packet: 120 ms."""


def samples(packet: bytes) -> int:
    """Samples at 48 kHz; 0 for a packet that is none."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = _SILK[config & 3]
    elif config < 16:
        frame = _HYBRID[config & 1]
    else:
        frame = _CELT[config & 3]
    given = packet[1] & 0x3F if len(packet) > 1 else 0
    count = (1, 2, 2, given)[code]
    total = frame * count
    return total if total <= MOST else 0
