"""The service's settings under an environment of the tests' own.

What a developer has exported or written into .env must not change a test, nor reach a real service
with a real key. `DATABASE_URL` alone is taken over: pytest is run once for each database.
"""

import os

from tests.run import ENVIRONMENT, run_folder

os.environ.pop("VIDEO_DEFAULT_MOCK_MODE", None)
os.environ |= ENVIRONMENT | {"MEDIA_ROOT": str(run_folder() / "media")}
os.environ.setdefault("DATABASE_URL", f"sqlite:///{run_folder() / 'db.sqlite3'}")

from videostudio.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, not safe
