# The service alone: it needs an OpenSearch, as in docker-compose.yml.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY . .
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /venv /venv
USER 65532:65532
ENV CONVERSATIONS_LOG_FORMAT=json PYTHONDONTWRITEBYTECODE=1
EXPOSE 8000
ENTRYPOINT ["/venv/bin/conversations"]
CMD ["serve", "--host", "0.0.0.0"]
