# syntax=docker/dockerfile:1
# Two stages: what builds stays behind. Everything that is installed is named with its hash (make lock).

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
WORKDIR /build
COPY requirements.lock requirements-build.lock ./
RUN python -m venv tools \
 && tools/bin/pip install --require-hashes --only-binary :all: -r requirements-build.lock \
 && python -m venv /opt/archiver \
 && /opt/archiver/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY archiver archiver
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels . \
 && /opt/archiver/bin/pip install --no-deps --no-index --find-links wheels recording-archiver \
 && /opt/archiver/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="recording-archiver" \
      org.opencontainers.image.description="Moves call recordings out of a CPaaS voice API into a bucket of your own" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later"
COPY --from=build /opt/archiver /opt/archiver
# The configuration is ./archiver.yaml, or the environment alone. The manifest needs no volume: copies of it are kept in
# the destination. For one on a volume set both of its variables.
ENV PATH=/opt/archiver/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    ARCHIVER_MANIFEST__URL=sqlite:///tmp/archiver/manifest.db \
    ARCHIVER_MANIFEST__SNAPSHOT=true
RUN install --directory --owner 65532 --group 65532 /etc/archiver
WORKDIR /etc/archiver
# Scratch; with it the root may be read-only.
VOLUME ["/tmp"]
USER 65532:65532
STOPSIGNAL SIGTERM
# A job, not a service: its exit code says how it went, and `archiver status --max-age` whether it went at all.
HEALTHCHECK NONE
ENTRYPOINT ["archiver"]
CMD ["run"]
