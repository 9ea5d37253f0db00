"""Choose the video provider: Google's Veo, or the mock that behaves like it."""

from functools import lru_cache
from threading import Lock

from django.conf import settings

from jobs.providers.base import NotConfigured, Provider


def veo_is_configured() -> bool:
    """Whether an API key, or a project (for application-default credentials), is set."""
    return bool(settings.GOOGLE_API_KEY or settings.GOOGLE_CLOUD_PROJECT)


_lock = Lock()  # lru_cache alone would let simultaneous first calls make one provider each


def provider_for(*, mock_mode: bool) -> Provider:
    """The process's provider of this kind, created at first use or before the process's fork.

    Raises NotConfigured if no Google account is configured or Google's client cannot be created.
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
            api_version=settings.VEO_API_VERSION,
            model_ids=settings.VEO_MODEL_IDS,
            person_generation=settings.VEO_PERSON_GENERATION,
        )
    except (OSError, ValueError) as error:  # usually missing certificates; nothing was sent
        kind = type(error).__name__
        raise NotConfigured(f"Google's client cannot be made: {kind}: {error}") from error
