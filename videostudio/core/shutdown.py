"""Whether this web process was asked to end: health checks then answer 503."""

requested = False  # set by a signal handler, so it is a plain value without a lock
