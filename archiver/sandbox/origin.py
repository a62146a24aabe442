"""The audio origin: objects behind presigned links, answered as S3 answers."""

import asyncio
import re
from dataclasses import replace
from email.utils import format_datetime

from archiver.sandbox.http import Exchange, Reply, Request
from archiver.sandbox.links import check, s3_error
from archiver.sandbox.provider import Provider
from archiver.sandbox.records import SandboxRecording
from archiver.sandbox.reply_faults import ReplyFault

_HELD_SECONDS = 0.01  # between two looks at whether answers are still held
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class AudioOrigin:
    """Answers for one provider; `provider.audio_slots` answers at most run at once, the others wait for their turn."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._slots = None if provider.audio_slots is None else asyncio.Semaphore(provider.audio_slots)

    async def __call__(self, exchange: Exchange) -> Reply:
        provider = self._provider
        entry = provider.journal.enter("audio", exchange)
        key = exchange.request.path.removeprefix("/")
        owner = provider.world.owner(key)
        entry.recording_id = None if owner is None else owner.id
        if self._slots is not None:
            await self._slots.acquire()
            exchange.on_done.append(self._slots.release)
        provider.journal.transfer_begins()
        exchange.on_done.append(provider.journal.transfer_ends)
        if provider.audio_most is not None and provider.journal.live_transfers > provider.audio_most:
            return s3_error(503, "SlowDown", "Please reduce your request rate.").with_headers(retry_after="1")
        while provider.audio_held:  # noqa: ASYNC110 - set from any thread
            await asyncio.sleep(_HELD_SECONDS)
        # After the wait: a link that died in the queue is dead.
        refused = check(provider.keys, exchange.request, provider.now())
        if refused is not None:
            return refused.reply()
        if owner is None:
            return s3_error(404, "NoSuchKey", "The specified key does not exist.", (("Key", key),))
        reply = self._object(owner, exchange.request)
        return replace(reply, delay=reply.delay + provider.audio_latency)

    def _object(self, owner: SandboxRecording, request: Request) -> Reply:
        provider = self._provider
        seen = provider.desk.seen("fetched", owner.id, provider.world.revision(owner.id))
        data, etag = provider.world.stored_object(owner, seen)
        headers = (
            ("Content-Type", owner.audio.content_type if owner.audio else "application/octet-stream"),
            ("ETag", f'"{etag}"'),
            ("Last-Modified", format_datetime(owner.created_at, usegmt=True)),
            ("Accept-Ranges", "bytes"),
            ("X-Amz-Request-Id", f"{seen:016X}"),
        )
        reply = _part(Reply(200, headers, data), request.header("range"))
        own = [f for f in owner.faults if isinstance(f, ReplyFault) and f.active(seen)]
        for fault in (*own, *provider.desk.audio(owner.id)):
            reply = fault.apply(reply)
        return reply


def _part(whole: Reply, asked: str | None) -> Reply:
    """The part of an object that a Range header asks for; other forms than one stretch of bytes get the whole."""
    match = _RANGE.fullmatch(asked or "")
    length = len(whole.body)
    if match is None or not any(match.groups()):
        return whole
    first_text, last_text = match.groups()
    first = int(first_text) if first_text else max(0, length - int(last_text))
    last = min(length - 1, int(last_text)) if first_text and last_text else length - 1
    if first > last:
        return s3_error(416, "InvalidRange", "The requested range is not satisfiable")
    part = replace(whole, status=206, body=whole.body[first : last + 1])
    return part.with_headers(content_range=f"bytes {first}-{last}/{length}")
