"""API keys: `vsk_`, 8 public characters, `_`, 43 secret ones. Only a SHA-256 of the whole is kept.

The secret has 256 random bits, so no slow hash is needed. The prefix has a form by which secret
scanners recognize a key.
"""

import hashlib
import hmac
import re
import secrets
import string
from datetime import datetime, timedelta
from uuid import UUID

from django.db import models, transaction
from django.db.models import Q, QuerySet

from accounts.models import USER_OF_ID, ApiKey, User
from videostudio.core.compiled_query import CompiledQuery, Param

MARK = "vsk_"
FORM = re.compile(r"vsk_[A-Za-z0-9]{8}_[A-Za-z0-9]{43}")
MAX_KEYS = 20  # of one user, without revoked ones
RETENTION = timedelta(days=30)  # of revoked keys
INACTIVE = "The account is deactivated."
USE_RECORDED_EVERY = timedelta(minutes=1)

KEY_OF_PREFIX = CompiledQuery(
    lambda: ApiKey.objects.filter(prefix=Param("prefix", models.CharField()))
)


class TooManyKeys(Exception):
    """The user has MAX_KEYS keys."""


class Refused(Exception):
    """Why a key is not valid, as a sentence."""


class OwnerInactive(Refused):
    """The key's user is deactivated."""


def create(
    *,
    user: User,
    name: str,
    now: datetime,
    scope: str = ApiKey.Scope.FULL,
    expires_at: datetime | None = None,
    daily_token_limit: int | None = None,
) -> tuple[ApiKey, str]:
    """The new key's row, and the key, which cannot be read again.

    Raises TooManyKeys, and OwnerInactive if `user` was deactivated meanwhile.
    """
    prefix = MARK + _random(8)
    key = f"{prefix}_{_random(43)}"
    with transaction.atomic():
        # The lock serializes simultaneous calls of one user.
        owner = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
        if owner is None or not owner.is_active:
            raise OwnerInactive(INACTIVE)
        if of_user(user=user).count() >= MAX_KEYS:
            raise TooManyKeys
        row = ApiKey.objects.create(
            user=user,
            name=name,
            prefix=prefix,
            sha256=_sha256(key),
            scope=scope,
            expires_at=expires_at,
            daily_token_limit=daily_token_limit,
            created_at=now,
        )
    return row, key


def of_user(*, user: User) -> QuerySet[ApiKey]:
    """The user's keys that are not revoked, newest first."""
    return ApiKey.objects.filter(user=user, revoked_at=None).order_by("-created_at", "id")


def revoke(*, keys: QuerySet[ApiKey], now: datetime) -> int:
    """Revoke those of `keys` that are not revoked yet; return their number."""
    return keys.filter(revoked_at=None).update(revoked_at=now)


def revoke_own(*, user: User, id: UUID, now: datetime) -> bool:
    """Revoke a key of `user`. False if there is none with this id, or it is revoked already."""
    return revoke(keys=of_user(user=user).filter(pk=id).order_by(), now=now) > 0


def expired(*, now: datetime) -> QuerySet[ApiKey]:
    """Keys that were revoked long ago. Jobs store the prefix, and the ledger the id, of a key."""
    return ApiKey.objects.filter(revoked_at__lt=now - RETENTION)


def authenticate(*, key: str, now: datetime) -> ApiKey:
    """The row of a valid key, with its `user` loaded; records the use. Raises Refused."""
    row = KEY_OF_PREFIX.first(prefix=key[: ApiKey.PREFIX_LENGTH]) if FORM.fullmatch(key) else None
    if row is None or not hmac.compare_digest(row.sha256, _sha256(key)):
        raise Refused("This is not an API key of this service.")
    if row.revoked_at:
        raise Refused("The API key has been revoked.")
    if row.expires_at and row.expires_at <= now:
        raise Refused("The API key has expired: make a new one.")
    row.user = USER_OF_ID.first(pk=row.user_id)
    if row.user is None or not row.user.is_active:
        raise OwnerInactive(INACTIVE)
    _record_use(row, now)
    return row


def _record_use(row: ApiKey, now: datetime) -> None:
    """Only one of simultaneous requests writes: the condition is checked again under the lock."""
    if row.last_used_at and row.last_used_at > now - USE_RECORDED_EVERY:
        return
    is_due = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_RECORDED_EVERY)
    ApiKey.objects.filter(is_due, pk=row.pk).update(last_used_at=now)


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
