"""Doing without what is installed for others."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_optional_packages(*names: str) -> Iterator[None]:
    """For code that tries to import what it can do without, and need not have in memory."""
    missing = {name: None for name in names if name not in sys.modules}
    sys.modules.update(missing)  # type: ignore[arg-type]  # None fails an import
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
