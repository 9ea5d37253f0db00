# One image for all three processes: web by default, worker and release by command (see compose.yaml).
#   docker build -t videostudio .
# `make pin-images` renews the digest.
ARG PYTHON=python:3.12-slim@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea
FROM ${PYTHON} AS packages
RUN python -m venv /opt/venv
COPY requirements.txt .
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

FROM ${PYTHON}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PORT=8000 \
    MEDIA_ROOT=/var/lib/videostudio/media
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin studio \
    && install --directory --owner studio --group studio /var/lib/videostudio/media \
    && install --directory --owner studio --group studio --mode 700 /var/lib/videostudio/metrics
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/videostudio
COPY . .
# DEBUG for this command only: then it needs no SECRET_KEY and no database.
RUN python -m compileall -q . && DEBUG=true python manage.py collectstatic --noinput
USER studio
EXPOSE 8000
# For web only: disable it for a worker, and watch /readyz instead.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "deploy/healthcheck.py"]
CMD ["gunicorn", "-c", "python:videostudio.gunicorn", "videostudio.wsgi"]
