"""Speech-like telephone sound: voiced syllables through formants, consonants of noise, pauses with line noise.

Made from a seed alone, in plain Python, so that a corpus can be made again anywhere.
"""

from __future__ import annotations

import math
import random
import wave
from array import array
from io import BytesIO

FULL = 20_000
VOWELS = ((730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840), (440, 1020))


def speech(seed: int, seconds: float, rate: int = 8000, *, dead_pauses: bool = False) -> array[int]:
    """Mono samples of 16 bits. With ``dead_pauses`` a third of the pauses are digital silence, as after a VAD."""
    rng = random.Random(seed)  # noqa: S311 - sound, not secrets
    total = round(seconds * rate)
    out = array("h")
    pitch = rng.uniform(90, 220)
    while len(out) < total:
        kind = rng.random()
        if kind < 0.55:
            out.extend(_vowel(rng, rate, pitch * rng.uniform(0.85, 1.2)))
        elif kind < 0.75:
            out.extend(_consonant(rng, rate))
        else:
            dead = dead_pauses and rng.random() < 0.34
            out.extend(_pause(rng, rate, 0 if dead else 12))
    return out[:total]


def _vowel(rng: random.Random, rate: int, pitch: float) -> array[int]:
    count = int(rng.uniform(0.08, 0.3) * rate)
    formants = [_resonator(freq * rng.uniform(0.93, 1.07), 90, rate) for freq in rng.choice(VOWELS)]
    (a1, b1), (a2, b2) = formants
    y1 = y2 = z1 = z2 = phase = 0.0
    step = pitch / rate
    out = array("h", bytes(2 * count))
    gauss = rng.gauss
    for index in range(count):
        phase += step
        pulse = 1.0 if phase >= 1 else 0.0
        phase -= pulse
        source = pulse + gauss(0, 0.01)
        y1, y2 = source + a1 * y1 + b1 * y2, y1
        z1, z2 = source + a2 * z1 + b2 * z2, z1
        envelope = math.sin(math.pi * index / count)
        out[index] = max(-FULL, min(FULL, int((y1 + 0.6 * z1) * envelope * 2200 + gauss(0, 6))))
    return out


def _resonator(freq: float, width: float, rate: int) -> tuple[float, float]:
    radius = math.exp(-math.pi * width / rate)
    return 2 * radius * math.cos(2 * math.pi * min(freq, rate * 0.45) / rate), -radius * radius


def _consonant(rng: random.Random, rate: int) -> array[int]:
    count = int(rng.uniform(0.03, 0.12) * rate)
    loud = rng.uniform(300, 1500)
    return array("h", [max(-FULL, min(FULL, int(rng.gauss(0, loud)))) for _ in range(count)])


def _pause(rng: random.Random, rate: int, noise: int) -> array[int]:
    count = int(rng.uniform(0.1, 0.6) * rate)
    if not noise:
        return array("h", bytes(2 * count))
    return array("h", [int(rng.gauss(0, noise)) for _ in range(count)])


def wav(channels: list[array[int]], rate: int = 8000) -> bytes:
    """A PCM WAV of one or two channels of equal length."""
    body = (
        channels[0]
        if len(channels) == 1
        else array("h", [value for pair in zip(*channels, strict=True) for value in pair])
    )
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(body.tobytes())
    return target.getvalue()
