"""The service's settings with the tests' own environment.

A developer's variables or .env must not change a test, nor give it a real key of a real service.
Only `DATABASE_URL` is used, because pytest runs once for each database.
"""

import os

from tests.run import ENVIRONMENT, run_folder

for name in ("VIDEO_DEFAULT_MOCK_MODE", "VIDEO_MOCK_TOKENS"):
    os.environ.pop(name, None)
os.environ |= ENVIRONMENT | {
    "MEDIA_ROOT": str(run_folder() / "media"),
    "PROMETHEUS_MULTIPROC_DIR": str(run_folder() / f"metrics-{os.getpid()}"),
}
os.environ.setdefault("DATABASE_URL", f"sqlite:///{run_folder() / 'db.sqlite3'}")

from videostudio.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, not safe
# Each test client loads the middleware again; WhiteNoise would list all static files each time.
WHITENOISE_AUTOREFRESH = True
