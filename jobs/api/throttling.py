from videostudio.core.api.throttling import UserThrottle


class CreateThrottle(UserThrottle):
    """Limits new jobs of one user (THROTTLE_CREATE). Reads are not throttled."""

    scope = "create"
    counted = "new jobs of one user"


class QuoteThrottle(UserThrottle):
    """Limits quotes of one user: their images are checked as those of an order."""

    scope = "quote"
    counted = "quotes of one user"


class WebhookTestThrottle(UserThrottle):
    """Each test may hold a request for 15 seconds."""

    scope = "webhook_test"
    counted = "webhook tests of one user"


class WebhookRotateThrottle(UserThrottle):
    """Each old secret signs for a day, so their number must have a limit."""

    scope = "webhook_rotate"
    counted = "new webhook secrets of one user"


class WebhookReplayThrottle(UserThrottle):
    scope = "webhook_replay"
    counted = "webhook replays of one user"
