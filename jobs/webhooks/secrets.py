"""Webhook secrets: creation, encryption in the database, signatures.

The signature is that of Standard Webhooks 1.0
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from jobs.models import Webhook

PREFIX = "whsec_"
ROTATION = timedelta(hours=24)  # the previous secret signs for so long
PURPOSE = b"videostudio webhook secrets"


class UnreadableSecret(Exception):
    """The secret was encrypted under a key that is neither SECRET_KEY nor one of its fallbacks."""


def new() -> str:
    """A secret as the receiver needs it: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def encrypt(secret: str) -> str:
    return _keys().encrypt(secret.encode()).decode()


def decrypt(text: str) -> str:
    """Raises UnreadableSecret."""
    try:
        return _keys().decrypt(text.encode()).decode()
    except InvalidToken as error:
        raise UnreadableSecret from error


def reencrypt(webhook: Webhook, *, now: datetime) -> None:
    """Encrypt the secrets that sign now under the present key. Raises UnreadableSecret."""
    older = [(encrypt(decrypt(text)), end) for text, end in retired(webhook, now)]
    webhook.secret = encrypt(decrypt(webhook.secret))
    webhook.older_secrets, webhook.previous_secret, webhook.previous_until = older, "", None


def of(webhook: Webhook, *, now: datetime) -> list[str]:
    """The secrets that sign now: several for a day after a rotation. Raises UnreadableSecret."""
    texts = [webhook.secret, *(text for text, _ in retired(webhook, now))]
    return [decrypt(text) for text in texts]


def retired(webhook: Webhook, now: datetime) -> list[tuple[str, str]]:
    """The encrypted secrets before the present one that still sign, and when they end."""
    ends = [*webhook.older_secrets]
    if webhook.previous_until:
        ends.insert(0, (webhook.previous_secret, webhook.previous_until.isoformat()))
    return [(text, end) for text, end in ends if datetime.fromisoformat(end) > now]


def headers(*, id: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of one try: `webhook-id`, `webhook-timestamp` and `webhook-signature`."""
    timestamp = str(int(now.timestamp()))
    signed = f"{id}.{timestamp}.".encode() + body
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _keys() -> MultiFernet:
    return MultiFernet(map(_fernet, [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]))


def _fernet(key: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=PURPOSE)
    return Fernet(base64.urlsafe_b64encode(derived.derive(key.encode())))
