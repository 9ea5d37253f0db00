"""gunicorn's settings (`gunicorn -c python:videostudio.gunicorn`).

Reading our settings here, in the master, makes a wrong one stop the start with its one line. The
application is loaded there too: its processes start at once, share its memory, and a failed system
check ends the start instead of each process.
"""

import ctypes
import gc
from contextlib import suppress
from importlib import import_module
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError

from videostudio import settings
from videostudio.core.optional import without_optional_packages

M_ARENA_MAX = -8  # malloc.h
TRIM_SECONDS = 5

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

    They load the rest of the application, and its access tokens. The API's schema is generated
    here, once for all processes. DRF would load requests and pygments, PyJWT cryptography for other
    signatures than ours, and drf-spectacular pydantic: 15 MB for nothing.
    """
    with without_optional_packages("requests", "cryptography", "pygments", "pydantic"):
        try:
            BaseCommand().check()
        except SystemCheckError as error:
            raise SystemExit(str(error)) from None
        import_module("jwt")
        import_module("jobs.api.openapi_views").documents()
    # glibc gives each thread a heap of its own: 10 MB for eight that take turns anyway.
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    gc.collect()  # first: freezing would keep what generating the schema left behind
    if _trim:
        _trim(0)
    gc.freeze()  # what the collector does not touch stays shared
    gc.collect()  # or it would let garbage lie until that is a quarter of what it has just frozen


_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
_trimmed = 0.0


def post_request(worker: Any, request: Any, environ: Any, response: Any) -> None:
    """Now and then give back what lists have left free in between: 4 to 8 MB of each process."""
    global _trimmed
    if _trim and monotonic() - _trimmed > TRIM_SECONDS:
        _trimmed = monotonic()
        _trim(0)
