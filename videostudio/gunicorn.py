"""gunicorn's settings (`gunicorn -c python:videostudio.gunicorn`).

The master reads our settings, so that an invalid one stops the start with a one-line error. It also
loads the application: workers then start quickly and share its memory, and a failed system check
stops the start once instead of in each worker.
"""

import gc
from importlib import import_module
from logging import getLogger
from typing import Any

from django.apps import apps
from django.core.checks import Tags, run_checks
from django.core.management.base import BaseCommand, SystemCheckError
from django.db import Error, connections

from videostudio import settings
from videostudio.core import process_metrics
from videostudio.core.memory import return_large_blocks
from videostudio.web.worker import FINISH_SECONDS

bind = f"0.0.0.0:{settings.PORT}"
workers = settings.WEB_CONCURRENCY
worker_class = "videostudio.web.worker.Worker"
threads = settings.WEB_THREADS
timeout = 60
graceful_timeout = settings.WEB_DRAIN_SECONDS + FINISH_SECONDS
control_socket_disable = True
accesslog = None
errorlog = "-"
loglevel = settings.LOG_LEVEL.lower()
preload_app = True


def on_starting(master: Any) -> None:
    """Run the system checks, as every manage.py command does.

    They load the rest of the application. The API's schema and guides are made here, once for all
    workers.
    """
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None
    _check_database()
    import_module("jwt")
    if apps.is_installed("jobs"):  # not in `bench/floor.py`
        process_metrics.remove_unused()
        import_module("jobs.api.openapi_views").documents()
        guide = import_module("videostudio.guide")
        for name in guide.NAMES:
            guide.load(name)
    return_large_blocks()
    gc.collect()
    gc.freeze()  # pages that the collector does not touch stay shared between processes


def post_fork(master: Any, worker: Any) -> None:
    """Record this process's heartbeats. `bench/floor.py` has no table for it."""
    if apps.is_installed("jobs"):
        processes = import_module("jobs.stats.processes")
        worker.heart = processes.beat_in_thread(kind=processes.Kind.WEB)


def worker_exit(master: Any, worker: Any) -> None:
    if hasattr(worker, "heart"):
        worker.heart.stop()


def _check_database() -> None:
    """Log what the database's checks find. Web starts without a database too."""
    logger = getLogger("gunicorn.error")
    try:
        for message in run_checks(tags=[Tags.database], databases=["default"]):
            logger.warning("%s", message)
    except Error:
        logger.warning("the database does not respond yet, so its connections are not checked")
    finally:
        connections.close_all()  # a forked process must not use the master's
