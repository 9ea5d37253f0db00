"""gunicorn's settings (`gunicorn -c python:videostudio.gunicorn`).

Reading our settings here, in the master, makes a wrong one stop the start with its one line.
"""

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
