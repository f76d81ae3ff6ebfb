# Two stages: the first installs (and may compile), the second only runs.
# The project is installed in place, at the same path in both, so that the templates and migrations beside the packages are found.

FROM python:3.12-slim AS build
WORKDIR /app
COPY requirements.lock ./
RUN python -m venv /app/.venv \
 && /app/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . .
RUN /app/.venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
 && /app/.venv/bin/python -m compileall -q formulas builder runtime

FROM python:3.12-slim
RUN groupadd --system --gid 10001 dougong \
 && useradd --system --uid 10001 --gid dougong --no-create-home --shell /usr/sbin/nologin dougong \
 && install -d -o dougong -g dougong /data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DOUGONG_HOST=0.0.0.0 \
    DOUGONG_PORT=8000 \
    DOUGONG_DATABASE_URL=sqlite:////data/dougong.db
WORKDIR /data
VOLUME /data
USER dougong
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"DOUGONG_PORT\"]}/healthz', timeout=4)"]
CMD ["dougong", "serve"]
