"""Spans of a run by OpenTelemetry, where its standard environment variables ask for it. Needs the extra ``otel``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from archiver import __version__
from archiver.telemetry.courier import Courier, NotDelivered

SERVICE = "recording-archiver"
"""``service.name``, unless OTEL_SERVICE_NAME names another."""
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Tracing:
    """A ``Trace`` that hands its spans to an OTLP receiver in the background. ``wanted`` says whether to make one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

        lost: list[int] = []

        class Counting(SpanExporter):
            """Remembers what was not taken: the library would only log it."""

            def __init__(self) -> None:
                self._to = OTLPSpanExporter()

            def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
                result = self._to.export(spans)
                if result is not SpanExportResult.SUCCESS:
                    lost.append(len(spans))
                return result

            def shutdown(self) -> None:
                self._to.shutdown()  # type: ignore[no-untyped-call]

        named = {} if "OTEL_SERVICE_NAME" in environ else {"service.name": SERVICE}
        resource = Resource.create({**named, "service.version": __version__})
        # At its end the process waits for the courier, for so long and no longer; not for a hook of the library.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(Counting()))
        self._tracer = self._provider.get_tracer("archiver", __version__)
        self._lost = lost

    @contextmanager
    def span(self, name: str, /, **attributes: str) -> Iterator[object]:
        """A span; of an error only its kind is told, since its words may hold anything."""
        from opentelemetry.trace import Status, StatusCode

        said: dict[str, Any] = {f"archiver.{key}": value for key, value in attributes.items()}
        started = self._tracer.start_as_current_span(
            name, attributes=said, record_exception=False, set_status_on_exception=False
        )
        with started as span:
            try:
                yield span
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def tell(self, courier: Courier) -> None:
        """Hand over what is left."""
        courier.send("OpenTelemetry", self._finish)

    def _finish(self) -> None:
        self._provider.shutdown()
        if self._lost:
            raise NotDelivered(f"{sum(self._lost)} spans were not taken")


def wanted(environ: Mapping[str, str]) -> tuple[bool, str]:
    """Whether the environment asks for spans; and why it cannot have them, or nothing."""
    exporter = environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    asked = any(environ.get(name) for name in _ENDPOINTS) and exporter in {"", "otlp"}
    if not asked or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False, ""
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        return False, "only the protocol http/protobuf is spoken"
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        return False, "it is not installed: pip install 'recording-archiver[otel]'"
    return True, ""
