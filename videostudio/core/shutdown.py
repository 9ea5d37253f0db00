"""Whether this web process is shutting down: health checks then answer 503."""

requested = False  # set by a signal handler, so it is a plain value without a lock
