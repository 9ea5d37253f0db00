from rest_framework.request import Request

from videostudio.core.api.throttling import WindowThrottle


class CreateThrottle(WindowThrottle):
    """Limits new jobs of one user (THROTTLE_CREATE). Reads are not throttled."""

    scope = "create"
    counted = "new jobs of one user"

    def identity(self, request: Request) -> str:
        return str(request.user.pk)


class QuoteThrottle(WindowThrottle):
    """Limits quotes of one user: their images are checked as those of an order."""

    scope = "quote"
    counted = "quotes of one user"

    def identity(self, request: Request) -> str:
        return str(request.user.pk)


class WebhookTestThrottle(WindowThrottle):
    """Limits one user's webhook tests, each of which may hold a request for 15 seconds."""

    scope = "webhook_test"
    counted = "webhook tests of one user"

    def identity(self, request: Request) -> str:
        return str(request.user.pk)
