"""gunicorn's settings (`gunicorn -c python:videostudio.gunicorn`).

Reading our settings here, in the master, makes a wrong one stop the start with its one line. The
application is loaded there too: its processes start at once, share its memory, and a failed system
check ends the start instead of each process.
"""

import gc
from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError

from videostudio import settings

bind = f"0.0.0.0:{settings.PORT}"
workers = settings.WEB_CONCURRENCY
worker_class = "gthread"
threads = 8  # an upload or a slow reader holds one of them, not a process
timeout = 60
graceful_timeout = 25
keepalive = 5
control_socket_disable = True
accesslog = None
errorlog = "-"
loglevel = settings.LOG_LEVEL.lower()
preload_app = True


def on_starting(master: Any) -> None:
    """The system checks, as every manage.py command runs them; no database is asked.

    They load the rest of the application. The API's schema is generated here, once for all
    processes.
    """
    try:
        BaseCommand().check()
    except SystemCheckError as error:
        raise SystemExit(str(error)) from None
    import_module("jwt")
    import_module("jobs.api.openapi_views").documents()
    gc.collect()
    gc.freeze()  # what the collector does not touch stays shared between processes
