"""Who makes the videos: Google's Veo, or the mock that behaves like it."""

from functools import lru_cache
from threading import Lock

from django.conf import settings

from jobs.providers.base import NotConfigured, Provider


def veo_is_configured() -> bool:
    """Whether there is a key, or a project to which application-default credentials belong."""
    return bool(settings.GOOGLE_API_KEY or settings.GOOGLE_CLOUD_PROJECT)


_lock = Lock()  # a cache alone would let threads that come first together make one each


def provider_for(*, mock_mode: bool) -> Provider:
    """One provider of each kind a process, made at its first use, or before the process's fork.

    Raises NotConfigured where this process has no Google account, or can make no client.
    """
    with _lock:
        return _make(mock_mode=mock_mode)


@lru_cache
def _make(*, mock_mode: bool) -> Provider:
    if mock_mode:
        from jobs.providers.mock import Mock

        return Mock(seconds=settings.MOCK_SECONDS)
    if not veo_is_configured():
        raise NotConfigured("neither GOOGLE_API_KEY nor GOOGLE_CLOUD_PROJECT is set")
    from jobs.providers.veo import Veo

    try:
        return Veo(
            api_key=settings.GOOGLE_API_KEY,
            project=settings.GOOGLE_CLOUD_PROJECT,
            location=settings.GOOGLE_CLOUD_LOCATION,
            base_url=settings.GOOGLE_VERTEX_BASE_URL,
            model_ids=settings.VEO_MODEL_IDS,
        )
    except (OSError, ValueError) as error:  # no certificates, above all; nothing was sent
        kind = type(error).__name__
        raise NotConfigured(f"Google's client cannot be made: {kind}: {error}") from error
