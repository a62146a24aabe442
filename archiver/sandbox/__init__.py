"""A whole voice API provider on loopback: every dialect, real presigned links, real MP3 audio, faults on demand.

    world = World.generate(seed=1, recordings=25, days=3)
    with Sandbox(world, dialect="resource").running() as sandbox:
        archive_everything(sandbox.base_url, sandbox.token)
    for recording in world.recordings():
        assert bucket[recording.id] == world.audio_bytes(recording.id)

It shares no code with the archiver it is held against, so that a mistake in one is not repeated in the other.
"""

from archiver.sandbox.dialects import ABSENT, Dialect, Report
from archiver.sandbox.faults import (
    CutObject,
    DoubledObject,
    FlippedBit,
    MoreFields,
    NoAudioYet,
    NumbersAsIntegers,
    OldStyleLink,
    ShortLink,
    WithField,
    WithoutField,
    WrongAudio,
)
from archiver.sandbox.journal import RequestRecord
from archiver.sandbox.links import LinkKeys, sign_v2, sign_v4
from archiver.sandbox.listing_faults import (
    DataIs,
    DuplicatedRow,
    EmptyPage,
    LastPage,
    OnAudio,
    OnListing,
    RepeatedPage,
    RowsInserted,
    RowsRemoved,
    SandboxFault,
    WrongTotal,
)
from archiver.sandbox.mp3 import Mp3Form, frame_count
from archiver.sandbox.records import (
    SandboxCall,
    SandboxRecording,
    Speech,
    StoredBytes,
    new_recording,
)
from archiver.sandbox.reply_faults import (
    Chunked,
    CutBody,
    CutTransfer,
    Drip,
    EndlessBody,
    ErrorStatus,
    Gzipped,
    Headers,
    HtmlPage,
    Latency,
    NoLength,
    OtherBody,
    Redirect,
    ResetTransfer,
    Status,
    UnaskedPart,
    XmlError,
)
from archiver.sandbox.scenario import DemoStory, demo_world
from archiver.sandbox.server import Sandbox
from archiver.sandbox.world import World

__all__ = [
    "ABSENT",
    "Chunked",
    "CutBody",
    "CutObject",
    "CutTransfer",
    "DataIs",
    "DemoStory",
    "Dialect",
    "DoubledObject",
    "Drip",
    "DuplicatedRow",
    "EmptyPage",
    "EndlessBody",
    "ErrorStatus",
    "FlippedBit",
    "Gzipped",
    "Headers",
    "HtmlPage",
    "LastPage",
    "Latency",
    "LinkKeys",
    "MoreFields",
    "Mp3Form",
    "NoAudioYet",
    "NoLength",
    "NumbersAsIntegers",
    "OldStyleLink",
    "OnAudio",
    "OnListing",
    "OtherBody",
    "Redirect",
    "RepeatedPage",
    "Report",
    "RequestRecord",
    "ResetTransfer",
    "RowsInserted",
    "RowsRemoved",
    "Sandbox",
    "SandboxCall",
    "SandboxFault",
    "SandboxRecording",
    "ShortLink",
    "Speech",
    "Status",
    "StoredBytes",
    "UnaskedPart",
    "WithField",
    "WithoutField",
    "World",
    "WrongAudio",
    "WrongTotal",
    "XmlError",
    "demo_world",
    "frame_count",
    "new_recording",
    "sign_v2",
    "sign_v4",
]
