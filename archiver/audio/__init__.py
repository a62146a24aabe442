"""Verification of audio: bytes in, facts out. Pure: no file, no network, no clock, and no exception for any bytes.

``probe`` sniffs what the bytes are, walks every frame of them with the one module of that container, and holds the
checks that encoders embed against what it walked. It decides nothing: ``rules.verdict.judge`` does.
"""

from archiver.audio.probing import probe

__all__ = ["probe"]
