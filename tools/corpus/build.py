"""Writes a corpus: good files, damaged ones, and ``corpus.json``, which says what each is."""

from __future__ import annotations

import json
import math
import random
import re
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from tools.corpus.damage import CLASSES
from tools.corpus.encoders import Recipe, recipes
from tools.corpus.sound import speech, wav

LIST = "corpus.json"
PER_FILE = 12
SWAPPED = "swapped (other length)"
WRONG = {"mp3": "wav", "wav": "mp3"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A file of the corpus: path below its folder, what the source would have reported, and what was done to it."""

    path: str
    recipe: str
    duration: int
    """Whole seconds, floored, rounded or ceiled as sources do."""
    damage: str
    """Class; empty for a good file."""
    origin: str
    """The good file it was made from."""


@dataclass(frozen=True, slots=True)
class Good:
    """A good file in memory."""

    sample: Sample
    data: bytes


def build(folder: Path, seed: int) -> int:
    """Write the corpus of ``seed`` into ``folder``; the number of files."""
    rng = random.Random(seed)  # noqa: S311 - a corpus, not secrets
    folder.mkdir(parents=True, exist_ok=True)
    goods = list(_goods(rng))
    listed: list[Sample] = []
    for good in goods:
        _write(folder, good.sample, good.data, listed)
    for good in tqdm(goods, desc="damage", disable=None):
        for sample, data in _damaged(good, goods, rng):
            _write(folder, sample, data, listed)
    (folder / LIST).write_text(json.dumps([asdict(sample) for sample in listed], indent=0), encoding="utf-8")
    return len(listed)


def load(folder: Path) -> list[Sample]:
    """The samples that ``build`` wrote."""
    return [Sample(**entry) for entry in json.loads((folder / LIST).read_text(encoding="utf-8"))]


def _goods(rng: random.Random) -> Iterator[Good]:
    sounds: list[tuple[float, bytes]] = []
    for number in range(14):
        seconds = rng.uniform(3, 24)
        channels: list[array[int]] = [
            speech(rng.randrange(1 << 30), seconds, dead_pauses=number % 3 == 0) for _ in range(1 + (number % 5 == 4))
        ]
        sounds.append((seconds, wav(channels)))
    for recipe in tqdm(list(recipes()), desc="encode", disable=None):
        for turn in range(recipe.weight):
            good = _cook(recipe, turn, rng.choice(sounds), rng)
            if good is not None:
                yield good


def _cook(recipe: Recipe, turn: int, sound: tuple[float, bytes], rng: random.Random) -> Good | None:
    """None where this machine's program lacks the coder."""
    seconds, given = sound
    try:
        data = recipe.encode(given)
    except (OSError, ValueError) as problem:
        tqdm.write(f"{recipe.name}: {problem}")
        return None
    except Exception as problem:  # an encoder that is not built in: programs and wheels each say it their own way
        tqdm.write(f"{recipe.name}: {type(problem).__name__}")
        return None
    duration = max(1, rng.choice((math.floor, round, math.ceil))(seconds))
    path = f"good/{recipe.name}-{turn}.{recipe.extension}"
    return Good(Sample(path, recipe.name, duration, "", path), data)


def _damaged(good: Good, goods: list[Good], rng: random.Random) -> Iterator[tuple[Sample, bytes]]:
    others = [other for other in goods if other.sample.recipe == good.sample.recipe and other is not good]
    others = others or [
        other for other in goods if other.sample.path.endswith(good.sample.path[-4:]) and other is not good
    ]
    stem, _, extension = good.sample.path.removeprefix("good/").rpartition(".")
    for name in rng.sample(sorted(CLASSES), PER_FILE):
        # One of the same length is nobody's to tell offline; that two recordings share audio shows by its digest.
        fitting = [each for each in others if name != SWAPPED or _apart(each, good)]
        if name == SWAPPED and not fitting:
            continue
        other = rng.choice(fitting).data if fitting else good.data[len(good.data) // 3 :]
        data = CLASSES[name](good.data, other, rng)
        if data is None or (data == good.data and name != "wrong extension"):
            continue
        ending = WRONG.get(extension, "mp3") if name == "wrong extension" else extension
        path = f"damaged/{re.sub('[^a-z0-9]+', '-', name)}/{stem}.{ending}"
        yield Sample(path, good.sample.recipe, good.sample.duration, name, good.sample.path), data


def _apart(one: Good, other: Good) -> bool:
    return abs(one.sample.duration - other.sample.duration) > 2


def _write(folder: Path, sample: Sample, data: bytes, listed: list[Sample]) -> None:
    target = folder / sample.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    listed.append(sample)
