"""The settings of a Stack's processes in tests: the service's own, with a fast password hash.

Django's takes half a second of the processor for each user of a test. The fixture `service` and
the benchmarks use the service's settings as they are.
"""

from videostudio.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast, not safe
