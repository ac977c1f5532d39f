# Relay as an image: what requirements.lock names, relay itself, and nothing that builds.
#
#   docker build -t relay .
#   docker run -p 127.0.0.1:8080:8080 -v relay-data:/data -v ./config.yaml:/etc/relay/config.yaml:ro relay
#
# BASE: any image with Python 3.11 or newer and its venv module; it stands under both stages.
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
WORKDIR /source
COPY requirements-build.lock requirements.lock ./
# The date of everything that is written, so that equal sources make equal layers.
ARG SOURCE_DATE_EPOCH=0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONHASHSEED=0
RUN python3 -m venv /build \
 && python3 -m venv --without-pip /opt/relay \
 && /build/bin/pip install --quiet --require-hashes --requirement requirements-build.lock \
 && /build/bin/pip --python /opt/relay/bin/python install --quiet --no-compile --only-binary :all: \
      --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY relay relay
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /build/wheels . \
 && /build/bin/pip --python /opt/relay/bin/python install --quiet --no-compile --no-deps --no-index /build/wheels/*.whl \
 && /opt/relay/bin/python -m compileall -q -f -j 0 --invalidation-mode unchecked-hash /opt/relay/lib

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="relay" \
      org.opencontainers.image.description="Watches Zendesk background jobs for every service and publishes what became of them" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/relay /opt/relay
# /data is all that is ever written; a volume there takes over its owner.
RUN mkdir -m 0750 /data && chown 10001:10001 /data
ENV PATH=/opt/relay/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RELAY_CONFIG=/etc/relay/config.yaml \
    RELAY_DATA=/data \
    RELAY_LISTEN=0.0.0.0:8080
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# Whether work progresses, asked where RELAY_LISTEN says that relay listens.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/livez' % os.environ['RELAY_LISTEN'].rpartition(':')[2], timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["relay"]
CMD ["serve"]
