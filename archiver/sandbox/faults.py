"""What can be wrong with one recording: its stored object, the answers that carry it, its row, its link.

Every fault is a frozen value with one method that does the harm; a new one is a class and a line in a union. All of
them can be limited: `after` occurrences without, then `times` with (None: for ever). An occurrence is one GET of the
audio with a good link, or one listing of the row. Faults of answers are in `reply_faults.py`, those of whole
listings in `listing_faults.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from archiver.sandbox.mp3 import PLAIN, Mp3Form, render
from archiver.sandbox.occurs import Occurs, position
from archiver.sandbox.reply_faults import ReplyFault

# Faults of the stored object: every GET agrees on them, Content-Length and ETag included.


@dataclass(frozen=True)
class CutObject(Occurs):
    """The object ends early; only the duration promises more."""

    at: int | float = 0.5

    def damage(self, data: bytes) -> bytes:
        return data[: position(self.at, len(data))]


@dataclass(frozen=True)
class WrongAudio(Occurs):
    """Another conversation lies under the key."""

    seconds: float = 7.0
    seed: int = 999_983
    form: Mp3Form = PLAIN

    def damage(self, data: bytes) -> bytes:
        del data  # nothing of it is left
        return render(self.form, self.seconds, self.seed)


@dataclass(frozen=True)
class FlippedBit(Occurs):
    """One bit of the object differs."""

    at: int | float = 0.5

    def damage(self, data: bytes) -> bytes:
        where = min(position(self.at, len(data)), len(data) - 1)
        return data[:where] + bytes([data[where] ^ 0x10]) + data[where + 1 :]


@dataclass(frozen=True)
class DoubledObject(Occurs):
    """The object holds its audio twice."""

    def damage(self, data: bytes) -> bytes:
        return data * 2


ObjectFault = CutObject | WrongAudio | FlippedBit | DoubledObject

# Faults of a recording's row in the listing.

Row = dict[str, object]


@dataclass(frozen=True)
class WithField(Occurs):
    """A field of the row has another value: a hostile id or link, a time that cannot be read, anything JSON can say."""

    name: str
    value: object

    def change(self, row: Row) -> Row:
        return row | {self.name: self.value}


@dataclass(frozen=True)
class WithoutField(Occurs):
    """A field of the row is missing, for instance its `id`."""

    name: str

    def change(self, row: Row) -> Row:
        return {name: value for name, value in row.items() if name != self.name}


@dataclass(frozen=True)
class NumbersAsIntegers(Occurs):
    """Telephone numbers, serials and counters come as JSON integers, as webhooks send them."""

    def change(self, row: Row) -> Row:
        return {k: int(v) if isinstance(v, str) and v.isdecimal() else v for k, v in row.items()}


@dataclass(frozen=True)
class MoreFields(Occurs):
    """Fields that nobody has heard of."""

    fields: Mapping[str, object]

    def change(self, row: Row) -> Row:
        return row | dict(self.fields)


@dataclass(frozen=True)
class NoAudioYet(Occurs):
    """The row comes without a link; limit it by `times` and the audio appears later."""

    def change(self, row: Row) -> Row:
        return row | {"audio": None}


RowFault = WithField | WithoutField | NumbersAsIntegers | MoreFields | NoAudioYet

# Faults of the link that a row carries.


@dataclass(frozen=True)
class LinkTerms:
    """How a link is signed: for how long, how many seconds ago, in which style. `life` and `age` are in seconds."""

    life: int
    style: str
    age: float = 0.0


@dataclass(frozen=True)
class ShortLink(Occurs):
    """A link good for `life` seconds, signed `age` seconds ago: with age ≥ life it is dead when listed."""

    life: int = 1
    age: float = 0.0

    def sign(self, terms: LinkTerms) -> LinkTerms:
        return replace(terms, life=self.life, age=self.age)


@dataclass(frozen=True)
class OldStyleLink(Occurs):
    """A link in the style before SigV4."""

    def sign(self, terms: LinkTerms) -> LinkTerms:
        return replace(terms, style="v2")


LinkFault = ShortLink | OldStyleLink

RecordingFault = ObjectFault | ReplyFault | RowFault | LinkFault
