# The service alone: it needs an OpenSearch, as in docker-compose.yml.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
RUN python3 -m venv --without-pip /venv && \
    python3 -m venv /build-tools && \
    /build-tools/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements-build.txt && \
    /build-tools/bin/pip --python /venv install --no-cache-dir --no-deps --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY index_mappings index_mappings
COPY tests/samples tests/samples
RUN /build-tools/bin/python -m hatchling build -t wheel -d /wheel && \
    /build-tools/bin/pip --python /venv install --no-cache-dir --no-deps /wheel/*.whl

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
COPY --from=build /venv /venv
USER 65532:65532
WORKDIR /tmp
ENV PATH=/venv/bin:$PATH HOME=/tmp CONVERSATIONS_LOG_FORMAT=json PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=6 \
    CMD ["conversations", "healthy", "--url", "http://127.0.0.1:8000"]
ENTRYPOINT ["conversations"]
CMD ["serve", "--host", "0.0.0.0"]
