"""What a test has the workers of its cluster do."""

import os
import tempfile
import time
from pathlib import Path

from django_q.signals import post_execute_in_worker

HANDING_IN = "handing-in"  # a file in TMPDIR with the worker's process number


def hand_in_slowly() -> None:
    """Done at once, but the worker takes a minute to hand the result in."""
    post_execute_in_worker.connect(_stay, weak=False)


def _stay(**_: object) -> None:
    begun = Path(tempfile.gettempdir(), f"{HANDING_IN}.part")
    begun.write_text(str(os.getpid()))
    begun.rename(begun.with_suffix(""))
    time.sleep(60)
