# Three images from one file, each with what its job imports and nothing else:
#   docker build --target serve  -t homing-serve  .     answers templates, takes events in
#   docker build --target ingest -t homing-ingest .     folds events into profiles and the lake
#   docker build --target train  -t homing-train  .     trains, judges, promotes, publishes
# Run them with a read-only root, a tmpfs at /tmp and a volume at /var/lib/homing.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BASE_IMAGE} AS wheel
WORKDIR /src
COPY requirements/build.lock requirements/build.lock
RUN python -m venv /build \
 && /build/bin/pip install --quiet --no-cache-dir --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY features features
COPY serving serving
COPY training training
COPY homing homing
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .

# A virtual environment from one lock. Byte code is written for the modules that the job really
# imports, because the root is read-only later: it halves the start and costs a tenth of the size.
FROM ${BASE_IMAGE} AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/homing

FROM environment AS serve-environment
COPY requirements/serve.lock /locks/
RUN /opt/homing/bin/pip install --quiet --no-compile --require-hashes -r /locks/serve.lock
COPY --from=wheel /wheels /wheels
RUN /opt/homing/bin/pip install --quiet --no-compile --no-deps /wheels/*.whl \
 && /opt/homing/bin/pip uninstall --quiet --yes pip \
 && find /opt/homing/lib -type d -name tests -prune -exec rm -rf {} + \
 && env --unset=PYTHONDONTWRITEBYTECODE /opt/homing/bin/python -c \
      "import mlflow.artifacts, aio_pika, confluent_kafka, redis, homing.cli, serving.bootstrap"

FROM environment AS ingest-environment
COPY requirements/ingest.lock /locks/
RUN /opt/homing/bin/pip install --quiet --no-compile --require-hashes -r /locks/ingest.lock
COPY --from=wheel /wheels /wheels
RUN /opt/homing/bin/pip install --quiet --no-compile --no-deps /wheels/*.whl \
 && /opt/homing/bin/pip uninstall --quiet --yes pip \
 && find /opt/homing/lib -type d -name tests -prune -exec rm -rf {} + \
 && env --unset=PYTHONDONTWRITEBYTECODE /opt/homing/bin/python -c \
      "import aio_pika, confluent_kafka, redis, homing.cli, features.ingest, features.lake"

FROM ${BASE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="homing" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/homing/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/homing \
    HOMING_HOME=/var/lib/homing \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/homing \
      --skel /nonexistent --shell /usr/sbin/nologin homing
WORKDIR /var/lib/homing
VOLUME /var/lib/homing
# By number, so that a cluster can see that it is not root.
USER 10001:10001
# The first process has no default signal handlers and must reap orphans; Homing's parent process
# then orders its own children, hence a signal for the parent alone.
ENTRYPOINT ["dumb-init", "--single-child", "--", "homing"]

FROM runtime AS ingest
COPY --from=ingest-environment /opt/homing /opt/homing
CMD ["ingest"]

FROM runtime AS train-runtime
USER root
# What implicit's wheel leaves to the system: OpenMP.
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/*

FROM train-runtime AS train-environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/homing
COPY requirements/train.lock /locks/
RUN /opt/homing/bin/pip install --quiet --no-compile --require-hashes -r /locks/train.lock
COPY --from=wheel /wheels /wheels
RUN /opt/homing/bin/pip install --quiet --no-compile --no-deps /wheels/*.whl \
 && env --unset=PYTHONDONTWRITEBYTECODE /opt/homing/bin/python -c \
      "import aio_pika, confluent_kafka, redis, homing.cli, training.bootstrap"

FROM train-runtime AS train
COPY --from=train-environment /opt/homing /opt/homing
USER 10001:10001
CMD ["retrain"]

# The last stage is what a build without --target makes.
FROM runtime AS serve
COPY --from=serve-environment /opt/homing /opt/homing
# Ingest has an image of its own; it runs beside this one, on the same volume.
ENV HOMING_HOST=0.0.0.0 \
    HOMING_INGEST=false
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["serve"]
