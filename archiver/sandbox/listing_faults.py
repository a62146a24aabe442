"""What can be wrong with a listing: its answers, what its pages say, and rows that move while somebody reads them.

`OnListing` and `OnAudio` say which requests meet a fault; the fault's own `after` and `times` then count those
requests. The n-th listing request alone is `after=n - 1, times=1`; from the n-th on is `after=n - 1`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from archiver.sandbox.dialects import Page, Report
from archiver.sandbox.occurs import Occurs
from archiver.sandbox.records import SandboxCall, SandboxRecording, new_recording, uuid1_at
from archiver.sandbox.reply_faults import ReplyFault
from archiver.sandbox.world import World

Book = Callable[[int], Page]

# Faults of a page: what it holds and what it says about the others.


@dataclass(frozen=True)
class RepeatedPage(Occurs):
    """The rows of page `number` whatever page is asked for, and always one more to come."""

    number: int = 1

    def turn(self, page: Page, book: Book) -> Page:
        return replace(page, rows=book(self.number).rows, last=max(page.last, page.number + 1))


@dataclass(frozen=True)
class EmptyPage(Occurs):
    """No rows, though the page before the last says that there is more."""

    def turn(self, page: Page, book: Book) -> Page:
        del book
        return replace(page, rows=())


@dataclass(frozen=True)
class LastPage(Occurs):
    """`last_page` says `number`; pages past the true end are empty."""

    number: int = 10**9

    def turn(self, page: Page, book: Book) -> Page:
        del book
        return replace(page, last=self.number)


@dataclass(frozen=True)
class WrongTotal(Occurs):
    """`total` is off by so many."""

    by: int

    def turn(self, page: Page, book: Book) -> Page:
        del book
        return replace(page, total=max(0, page.total + self.by))


@dataclass(frozen=True)
class DataIs(Occurs):
    """`data` is something else: None, {}, a string, or `ABSENT`."""

    data: object

    def turn(self, page: Page, book: Book) -> Page:
        del book
        return replace(page, data=self.data)


@dataclass(frozen=True)
class DuplicatedRow(Occurs):
    """The page's row `index` comes a second time under the same id, with `changes` to its content."""

    changes: tuple[tuple[str, object], ...] = (("duration", "00:09:59"),)
    index: int = 0

    def turn(self, page: Page, book: Book) -> Page:
        del book
        if not page.rows:
            return page
        return replace(page, rows=(*page.rows, page.rows[self.index] | dict(self.changes)))


PageFault = RepeatedPage | EmptyPage | LastPage | WrongTotal | DataIs | DuplicatedRow

# Faults of the order: the world moves once the page has been served.


@dataclass(frozen=True, kw_only=True)
class _Moves(Occurs):
    times: int | None = 1


@dataclass(frozen=True)
class RowsInserted(_Moves):
    """`number` new rows at the top, so that every later page begins with rows that were seen. Happens once by default.

    New recordings are a second apart from the newest that the client's date filter lets through, or are `recordings`.
    """

    number: int = 1
    recordings: tuple[SandboxRecording, ...] = ()

    def move(self, world: World, report: Report, start: datetime | None, end: datetime | None) -> None:
        seconds = range(1, self.number + 1)
        if self.recordings:
            world.insert(*self.recordings)
        elif report == "recordings":
            for newest in world.recordings(start, end)[:1]:
                moments = [newest.created_at + timedelta(seconds=later) for later in seconds]
                world.insert(*(new_recording(moment, 3, seed=self.number) for moment in moments))
        else:
            for call in world.calls(start, end)[:1]:
                world.insert_calls(*(_later_call(call, timedelta(seconds=later)) for later in seconds))


def _later_call(call: SandboxCall, later: timedelta) -> SandboxCall:
    call_id = uuid1_at(call.start_at + later, random.Random(f"{call.id} {later}"))
    return replace(call, id=call_id, start_at=call.start_at + later, end_at=call.end_at + later)


@dataclass(frozen=True)
class RowsRemoved(_Moves):
    """The `number` newest rows vanish, so that every later page has lost its first rows to the page before. Once by
    default.

    Their audio stays where it is unless `keep_audio` is False.
    """

    number: int = 1
    keep_audio: bool = True

    def move(self, world: World, report: Report, start: datetime | None, end: datetime | None) -> None:
        if report == "recordings":
            gone = [recording.id for recording in world.recordings(start, end)[: self.number]]
            world.remove(*gone, keep_audio=self.keep_audio)
        else:
            world.remove_calls(*(call.id for call in world.calls(start, end)[: self.number]))


MoveFault = RowsInserted | RowsRemoved

ListingFault = ReplyFault | PageFault | MoveFault


@dataclass(frozen=True)
class OnListing:
    """A fault of listing answers: of one report and one page number, or (None) of any."""

    fault: ListingFault
    report: Report | None = None
    page: int | None = None

    def meets(self, report: Report, page: int) -> bool:
        return self.report in (None, report) and self.page in (None, page)


@dataclass(frozen=True)
class OnAudio:
    """A fault of audio answers under a good link: of one recording, or (None) of any."""

    fault: ReplyFault
    recording: str | None = None

    def meets(self, recording_id: str) -> bool:
        return self.recording in (None, recording_id)


SandboxFault = OnListing | OnAudio
