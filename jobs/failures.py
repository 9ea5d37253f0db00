"""Why a job FAILED: the API's error codes, and the failure to record."""

from dataclasses import dataclass

from jobs.providers.base import ProviderError

ERROR_CODES = (
    *("safety.prompt", "safety.output", "input.unsupported"),
    *("provider.unavailable", "provider.rejected", "provider.timeout"),
    *("provider.unknown_submission", "provider.not_configured", "storage.failed", "internal"),
)


@dataclass(frozen=True)
class Failure:
    """Why a job ends: a stable `code`, one sentence for the client, and `detail` for staff."""

    code: str
    message: str
    detail: str = ""

    @classmethod
    def of(cls, error: ProviderError) -> "Failure":
        return cls(code=error.code, message=error.message, detail=error.detail)


INTERNAL = Failure(code="internal", message="Something went wrong on our side.")
