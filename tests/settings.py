"""The service's settings under an environment of the tests' own.

What a developer has exported or written into .env must not change a test, nor reach a real service
with a real key. `DATABASE_URL` alone is taken over: pytest is run once for each database.
"""

import os
import re
from pathlib import Path

from tests.run import ENVIRONMENT, run_folder

EXAMPLE = Path(__file__).parent.parent / ".env.example"

for name in re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE):
    if name != "DATABASE_URL":
        os.environ.pop(name, None)
os.environ |= ENVIRONMENT | {"MEDIA_ROOT": str(run_folder() / "media")}
os.environ.setdefault("DATABASE_URL", f"sqlite:///{run_folder() / 'db.sqlite3'}")

from videostudio.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, not safe
