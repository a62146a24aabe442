"""Puts the adapters behind the ports, as the configuration says. The only module that names adapters.

What only some configurations and commands ask for is imported where it is asked for: whatever is imported costs every
start.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
from anyio.to_thread import run_sync

from archiver import __version__
from archiver.calls.lister import CallLister
from archiver.calls.log import CallLog
from archiver.clock import Clock, SystemClock
from archiver.config import Auth, BucketTarget, Config, DirectoryTarget, Place
from archiver.custody import Custody
from archiver.due import Request, due_windows
from archiver.errors import ArchiverError, ManifestUnusable, UsageInvalid
from archiver.keeping import Keeper, KeepingStore
from archiver.manifest import sqlite
from archiver.manifest.interface import Manifest
from archiver.manifest.runlock import RunLock
from archiver.manifest.sql import SqlManifest
from archiver.matters import read_orders
from archiver.noting import ending_early, noted
from archiver.periods.scratch_file import ScratchFile
from archiver.pipeline import Pipeline
from archiver.reporting import UNTRACED, Reporter, Trace, doubts_told_to
from archiver.rules.summary import SIGNALS, Summary
from archiver.runner import Ended, Plan, Run
from archiver.source.voice_api import Tenant, VoiceApi
from archiver.spool import Spool
from archiver.store.interface import Store
from archiver.telemetry import tracing
from archiver.telemetry.courier import Courier
from archiver.telemetry.observation import Observation

if TYPE_CHECKING:
    from archiver.caretaker import Caretaker
    from archiver.snapshots import Snapshots

COPIES = 32
"""Objects on their way to the second destination at once, where no number of recordings in flight is given."""
SOFTWARE = f"recording-archiver {__version__}"


@asynccontextmanager
async def source_of(config: Config, clock: Clock) -> AsyncIterator[VoiceApi]:
    """The voice API, closed at the end."""
    source = config.source
    tenant = Tenant(
        base_url=source.base_url,
        token=source.token.get_secret_value(),
        query_auth=source.auth is Auth.QUERY,
        timezone=source.zone,
        requests_per_minute=source.requests_per_minute,
        audio_hosts=source.audio_hosts,
        audio_networks=source.audio_networks,
        allow_insecure_loopback=source.allow_insecure_loopback,
        connections=config.limits.most_in_flight,
        ca_file=source.ca_file,
    )
    api = VoiceApi(tenant, clock)
    try:
        yield api
    finally:
        await api.aclose()


@asynccontextmanager
async def store_of(config: Config, reporter: Reporter | None = None) -> AsyncIterator[Store]:
    """The bucket or directory, closed at the end. ``reporter`` is told if a bucket lets a key be put twice."""
    async with _store_at(
        config.destination, config.destination.target, config.limits.most_in_flight, reporter
    ) as store:
        yield store


@asynccontextmanager
async def second_store_of(config: Config, reporter: Reporter | None = None) -> AsyncIterator[Store]:
    """The second destination, likewise; UsageInvalid where there is none."""
    target = config.second_destination.target
    if target is None:
        raise UsageInvalid("there is no second destination", "second_destination.url names one")
    async with _store_at(config.second_destination, target, config.limits.most_in_flight, reporter) as store:
        yield store


@asynccontextmanager
async def _store_at(
    place: Place, target: BucketTarget | DirectoryTarget, connections: int, reporter: Reporter | None
) -> AsyncIterator[Store]:
    store: Store
    if isinstance(target, BucketTarget):
        from archiver.store.s3 import S3Store
        from archiver.store.s3_headers import Placing

        store = S3Store(
            target.bucket,
            target.prefix,
            region=place.region,
            endpoint_url=place.endpoint_url,
            profile=place.profile,
            placing=Placing(place.encryption, place.storage_class, place.expected_bucket_owner),
            connections=connections,
            doubtful=doubts_told_to(reporter) if reporter else None,
        )
    else:
        from archiver.store.directory import DirectoryStore

        store = DirectoryStore(target.path)
    try:
        yield store
    finally:
        await store.aclose()


async def keeper_of(config: Config, store: Store, clock: Clock) -> Keeper:
    """The retention policy, and the matters that the bucket holds orders of."""
    return Keeper(clock, config.retention.policy, await read_orders(store))


@asynccontextmanager
async def manifest_of(config: Config, *, read_only: bool = False, existing: bool = False) -> AsyncIterator[SqlManifest]:
    """The manifest, closed at the end. ManifestUnusable where there is none to read, or where it must exist.

    With ``manifest.snapshot`` it is begun from the newest copy in the destination, where there is none here or an older
    one, and what is written is saved there, now and then and at the end.
    """
    path = config.manifest.path
    async with AsyncExitStack() as stack:
        snapshots = None
        if read_only:
            await fetch_manifest(config)
        elif config.manifest.snapshot:
            snapshots = await stack.enter_async_context(snapshots_of(config))
            await _begin_from(snapshots, path)
        if (read_only or existing) and not path.exists():
            hint = "archiver run makes one; archiver manifest rebuild too"
            raise ManifestUnusable(f"there is no manifest at {path}", hint)
        opened = await SqlManifest.open(f"sqlite:///{quote(str(path))}", read_only=read_only)
        manifest = await stack.enter_async_context(opened)
        if snapshots is not None:
            await stack.enter_async_context(snapshots.saving(manifest, config.manifest.snapshot_every_seconds))
        yield manifest


@asynccontextmanager
async def snapshots_of(config: Config) -> AsyncIterator[Snapshots]:
    """Copies of the manifest in the destination. Scratch for them is beside the manifest."""
    from archiver.scratch import ScratchDirectory
    from archiver.snapshots import Snapshots

    path = config.manifest.path
    async with AsyncExitStack() as stack:
        try:
            sqlite.make_parents(path)
            scratch = stack.enter_context(ScratchDirectory(path.parent))
        except OSError as error:
            raise ManifestUnusable(f"{path.parent} cannot be used: {error.strerror}", "it must be writable") from None
        store = await stack.enter_async_context(store_of(config))
        yield Snapshots(store, scratch, SystemClock(), SOFTWARE)


async def fetch_manifest(config: Config) -> None:
    """With ``manifest.snapshot``, see that there is a manifest to read, if there is one in the destination."""
    if config.manifest.snapshot and not config.manifest.path.exists():
        async with snapshots_of(config) as snapshots:
            await _begin_from(snapshots, config.manifest.path)


async def _begin_from(snapshots: Snapshots, path: Path) -> None:
    """Bring the newest copy to ``path``, unless the manifest there comes from that very copy, or is in use.

    One that is there and older is set aside beside it: what it alone knows, the bucket tells again.
    """
    lock = RunLock(path)
    if not lock.take():
        return  # a run holds it, and it is as new as can be
    try:
        above = sqlite.number_of(path)
        if above is None or (found := await snapshots.fetch(above)) is None:
            return  # what cannot be read is told by whoever opens it
        number, database = found
        await run_sync(sqlite.set_aside, path, path.with_name(f"{path.name}.superseded"))
        await run_sync(sqlite.restore, path, database, number)
    finally:
        lock.release()


def spool_of(config: Config) -> Spool:
    """The spool; enter it before use."""
    limits = config.limits
    return Spool(limits.audio_bytes, limits.spool_dir, max_bytes=limits.max_recording_bytes)


def call_log_of(config: Config, store: Store) -> CallLog | None:
    """The call log in the bucket; None where it is not to be archived."""
    if not config.calls.archive:
        return None
    return CallLog(store, config.limits.spool_dir, config.source.zone, copies=config.calls.parquet)


def observation_of(config: Config, clock: Clock, reporter: Reporter, environ: Mapping[str, str]) -> Observation:
    """Who is told of a run besides ``reporter``."""
    traced, why_not = tracing.wanted(environ)
    if why_not:
        reporter.event("not_told", receiver="OpenTelemetry", reason=why_not)
    metrics, ping = config.metrics, config.ping
    courier, told, pinger = Courier(), None, None
    if metrics.textfile is not None or metrics.pushgateway is not None:
        from archiver.telemetry.metrics import Metrics

        told = Metrics(metrics.archive or config.destination.url)
    if ping.url is not None:
        from archiver.telemetry.pings import Pinger

        pinger = Pinger(ping.url.get_secret_value(), ping.success_codes, courier)
    return Observation(
        clock=clock,
        reporter=reporter,
        courier=courier,
        pinger=pinger,
        metrics=told,
        textfile=metrics.textfile,
        pushgateway=metrics.pushgateway,
        tracing=tracing.Tracing(environ) if traced else None,
        copied=config.second_destination.url is not None,
    )


async def run(
    config: Config,
    request: Request,
    clock: Clock,
    reporter: Reporter,
    alongside: Callable[[Run], Coroutine[Any, Any, None]],
    afterwards: Callable[[Manifest], Awaitable[None]] | None = None,
    trace: Trace = UNTRACED,
) -> Ended:
    """One run under the manifest's lock, noted there from begin to end.

    ``alongside`` is run beside it (to watch for signals) and cancelled when it ends; ``afterwards`` is given the
    manifest once the end is noted, whatever the end; ``trace`` takes its steps.
    """
    async with AsyncExitStack() as stack:
        manifest = await stack.enter_async_context(manifest_of(config))
        if afterwards is not None:
            stack.push_async_callback(_shielded, afterwards, manifest)
        note = await stack.enter_async_context(noted(manifest, clock, new_run_id(clock)))
        summary = Summary(note.run_id)
        note.tells = summary.to_json
        stack.enter_context(ending_early(summary))
        reporter.event("begun", run_id=note.run_id)
        async with store_of(config, reporter) as bare, source_of(config, clock) as source, spool_of(config) as spool:
            await bare.sweep()
            keeper = await keeper_of(config, bare, clock)
            store = KeepingStore(bare, keeper, manifest)
            custody = Custody(store, manifest, clock, note.run_id, config.source.base_url, SOFTWARE, keeper, trace)
            verify = config.verify
            pipeline = Pipeline(source, spool, custody, verify.duration_tolerance_seconds, verify.level)
            plan = Plan(
                run_id=note.run_id,
                windows=await due_windows(config, request, manifest, clock),
                first_in_flight=config.limits.first_in_flight,
                most_in_flight=config.limits.most_in_flight,
                steady=config.limits.steady,
                attempts_per_recording=config.limits.attempts_per_recording,
                lookback_days=config.windows.lookback_days,
                timezone=str(config.source.zone),
            )
            scratch, log = stack.enter_context(ScratchFile(config.limits.spool_dir)), call_log_of(config, store)
            budget = request.budget
            work = Run(plan, summary, source, store, manifest, pipeline, clock, reporter, budget, scratch, log)
            if config.second_destination.url is not None:
                from archiver.copying import Copier

                second = await stack.enter_async_context(second_store_of(config, reporter))
                copies, at_once = manifest.copies, min(plan.most_in_flight, max(plan.first_in_flight, COPIES))
                work.copier = Copier(bare, second, copies, clock, reporter, summary, spool.directory, at_once)
            await work.execute(alongside)
            if work.fatal is None and summary.stopped not in SIGNALS:
                try:
                    await _obey_later_orders(config, manifest, bare, clock, reporter, keeper)
                except ArchiverError as error:  # the summary stands all the same
                    work.fatal, summary.ended_early = error, error.exit_code
        note.exit_code = summary.exit_code
        return Ended(summary, work.fatal, note.exit_code)


async def _obey_later_orders(
    config: Config, manifest: Manifest, store: Store, clock: Clock, reporter: Reporter, keeper: Keeper
) -> None:
    """Let holds that were ordered while a run was at work take hold of what it has archived since."""
    if await read_orders(store) != keeper.orders:
        async with caretaker_of(config, manifest, store, clock, reporter.event) as caretaker:
            await caretaker.apply_holds()


async def _shielded(afterwards: Callable[[Manifest], Awaitable[None]], manifest: Manifest) -> None:
    with anyio.CancelScope(shield=True):
        await afterwards(manifest)


async def rehearse(config: Config, request: Request, clock: Clock, reporter: Reporter) -> Ended:
    """A dry run: needs no lock, and makes no manifest where there is none."""
    from archiver.rehearsal import Rehearsal

    async with AsyncExitStack() as stack:
        manifest = None
        await fetch_manifest(config)
        if config.manifest.path.exists():
            manifest = await stack.enter_async_context(manifest_of(config, read_only=True))
        store = await stack.enter_async_context(store_of(config))
        source = await stack.enter_async_context(source_of(config, clock))
        summary = Summary(new_run_id(clock))
        started = clock.monotonic()
        asked = await due_windows(config, request, manifest, clock)
        log = call_log_of(config, store)
        calls = None if log is None else CallLister(source, log, manifest, clock, reporter, summary, dry=True)
        code = await Rehearsal(source, store, manifest, reporter, calls).perform(asked, summary)
        summary.seconds = clock.monotonic() - started
        return Ended(summary, None, code)


@asynccontextmanager
async def caretaker_of(
    config: Config, manifest: Manifest, store: Store, clock: Clock, tell: Callable[..., None]
) -> AsyncIterator[Caretaker]:
    """Whoever brings what lies in the bucket, and its copies, under what holds it now."""
    from archiver.amendments import Amender
    from archiver.caretaker import Caretaker

    keeper = await keeper_of(config, store, clock)
    keeping = KeepingStore(store, keeper, manifest)
    amender = Amender(keeping, clock, f"keeping-{new_run_id(clock)}", SOFTWARE)
    async with AsyncExitStack() as stack:
        copies: tuple[Store, ...] = ()
        if config.second_destination.url is not None:
            copies = (await stack.enter_async_context(second_store_of(config)),)
        yield Caretaker(keeping, manifest, keeper, amender, tell, copies)


def new_audit_id(clock: Clock) -> str:
    """Tells an audit from a run: ``status`` does not count it as one."""
    return f"audit-{new_run_id(clock)}"


def new_reconcile_id(clock: Clock) -> str:
    """Tells a reconciliation from a run, likewise; it is no row of the manifest."""
    return f"reconcile-{new_run_id(clock)}"


def new_rebuild_id(clock: Clock) -> str:
    """Tells a rebuild from a run, likewise."""
    return f"rebuild-{new_run_id(clock)}"


def new_run_id(clock: Clock) -> str:
    """Sorts by time; the random end tells apart two runs of one second."""
    return f"{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
