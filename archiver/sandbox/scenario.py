"""The world that `archiver demo` shows: three ordinary days in which four things went wrong."""

from dataclasses import dataclass
from datetime import date

from archiver.sandbox.faults import CutObject, NoAudioYet, ShortLink
from archiver.sandbox.reply_faults import HtmlPage
from archiver.sandbox.world import World


@dataclass(frozen=True)
class DemoStory:
    """Which recording is which, by id. All others are in order.

    `cut_short`: the stored object ends at 60 %, while the report gives the whole duration. `dead_link`: the first
    listing's link is over before anybody can use it, later ones give a good one. `no_audio_yet`: listed without a
    link, always. `error_page`: the link opens an HTML page under HTTP 200 and `audio/mpeg`.
    """

    world: World
    cut_short: str
    dead_link: str
    no_audio_yet: str
    error_page: str
    first_day: date
    last_day: date


def demo_world(recordings: int = 25, seed: int = 20_190_611, first_day: date = date(2026, 9, 22)) -> DemoStory:
    """Make the demo's world: small recordings over three UTC days. ValueError with fewer than four."""
    if recordings < 4:
        raise ValueError("the story has four parts and needs as many recordings")
    world = World.generate(seed, recordings, days=3, start_day=first_day)
    # The longest one is cut: the loss must be seconds, not something that rounding could explain.
    cut, *others = sorted(world.recordings(), key=lambda r: r.duration, reverse=True)
    # Each window is asked a day wider, so a link of a later day would be listed (and die) before its own turn.
    dead = min(others, key=lambda r: r.created_at)
    others.remove(dead)
    none, page = others[0], others[len(others) // 2]
    world.replace(cut.evolve(faults=(CutObject(0.6),)))
    world.replace(dead.evolve(faults=(ShortLink(2, age=2.0, times=1),)))
    world.replace(none.evolve(faults=(NoAudioYet(),)))
    world.replace(page.evolve(faults=(HtmlPage("audio/mpeg"),)))
    days = sorted(recording.created_at.date() for recording in world.recordings())
    return DemoStory(world, cut.id, dead.id, none.id, page.id, days[0], days[-1])
