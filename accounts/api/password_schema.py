"""The OpenAPI documentation of the calls for passwords."""

from drf_spectacular.utils import OpenApiResponse, extend_schema

from accounts.api.password_serializers import (
    ChangePasswordSerializer,
    RequestResetSerializer,
    ResetSerializer,
)
from accounts.api.schema import OWN_PASSWORD_THROTTLED, PAIR, THROTTLED
from accounts.api.serializers import TokenPairSerializer
from videostudio.core.api.openapi import (
    JSON,
    RETRY_AFTER,
    SESSION_REQUIRED,
    UNAUTHORIZED,
    answer,
    at_fault,
    rate_limits,
    refused,
    sent,
)

NEW = "tall ships at anchor"
NO_MAIL = refused("The operator has set up no mail server.", not_found="Not found.")

change = extend_schema(
    operation_id="changePassword",
    summary="Change your password",
    description="Returns a new pair of tokens. Every token issued before stops working; API keys "
    "stay valid. A wrong password counts as a failed log-in.",
    request={JSON: ChangePasswordSerializer},
    examples=[sent({"currentPassword": "correct-horse-battery", "newPassword": NEW}, "A change")],
    parameters=[RETRY_AFTER, *rate_limits(200, 400, 429)],
    responses={
        200: answer(TokenPairSerializer, "A pair of tokens.", PAIR, "The tokens"),
        400: at_fault(
            "The current password is wrong, or the new one is too weak.",
            code="invalid",
            faults=[("currentPassword", "This is not your password", "wrong_password")],
        ),
        401: UNAUTHORIZED,
        403: SESSION_REQUIRED,
        429: OWN_PASSWORD_THROTTLED,
    },
)
request_reset = extend_schema(
    operation_id="requestPasswordReset",
    summary="Ask for a new password",
    description="Mails a link that works once, for an hour. The answer is the same whether there "
    "is an account with this address or not. At most one mail a minute goes to an address.",
    request={JSON: RequestResetSerializer},
    examples=[sent({"email": "alice@example.com"}, "A lost password")],
    parameters=[RETRY_AFTER, *rate_limits(204, 400, 404, 429)],
    responses={
        204: OpenApiResponse(description="Mailed, if there is such an account."),
        400: at_fault(
            "The request is invalid.",
            code="invalid",
            faults=[("email", "Enter a valid email address", "invalid")],
        ),
        404: NO_MAIL,
        429: THROTTLED,
    },
)
reset = extend_schema(
    operation_id="resetPassword",
    summary="Set a new password",
    description="With the token of the mailed link. Every access and refresh token stops working; "
    "API keys stay valid.",
    request={JSON: ResetSerializer},
    examples=[sent({"token": "7d3f0c7e2c864f0b9a525f2f7f2c9b1d.…", "newPassword": NEW}, "A reset")],
    parameters=[RETRY_AFTER, *rate_limits(204, 400, 404, 429)],
    responses={
        204: OpenApiResponse(description="Set."),
        400: at_fault(
            "The link does not work any more, or the password is too weak.",
            code="invalid",
            faults=[("token", "This link was used, or is over an hour old", "invalid_link")],
        ),
        404: NO_MAIL,
        429: THROTTLED,
    },
)
