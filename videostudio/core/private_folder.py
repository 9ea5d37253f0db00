"""A folder that only this user can read and write."""

import os
from pathlib import Path
from stat import S_ISDIR


def private_folder(path: Path, *, what: str) -> Path:
    """Make the folder if it does not exist.

    Raises PermissionError, which says `what` it is, if another user made it or others can use it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"the {what} {path} is not this user's own folder")
    if found.st_mode & 0o077:
        raise PermissionError(f"the {what} {path} is not private: its mode must be 700")
    return path
