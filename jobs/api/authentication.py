"""Who polls a job, and the job, in one query instead of two: polls are most of all requests."""

from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.models import User
from jobs.models import VideoJob


class OwnerAuthentication(JWTAuthentication):
    """simplejwt's authentication; where the path names a job, it is looked up with its owner.

    Where there is no such job of theirs, or simplejwt would refuse the user, the stock look-up
    decides, so that every refusal is its own.
    """

    def authenticate(self, request: Request) -> Any:
        self.job_id = request.parser_context["kwargs"].get("pk")
        self.job: VideoJob | None = None
        return super().authenticate(request)

    def get_user(self, validated_token: Token) -> Any:
        job = self._find(validated_token)
        if job is None or not _is_welcome(job.user, validated_token):
            return super().get_user(validated_token)
        self.job = job
        return job.user

    def _find(self, token: Token) -> VideoJob | None:
        if not self.job_id:
            return None
        owner = token.get(api_settings.USER_ID_CLAIM)
        try:
            return VideoJob.objects.select_related("user").get(pk=self.job_id, user=owner)
        except (VideoJob.DoesNotExist, ValueError, ValidationError):
            return None


class OwnerScheme(SimpleJWTScheme):
    """In the documentation: simplejwt's, with a word on where the token comes from."""

    target_class = "jobs.api.authentication.OwnerAuthentication"

    def get_security_definition(self, auto_schema: Any) -> Any:
        said = "The `access` of `POST /api/v1/auth/token`, without `Bearer`. Good for an hour."
        return super().get_security_definition(auto_schema) | {"description": said}


def found_with_the_user(request: Request) -> VideoJob | None:
    """The job that was looked up when `request` was authenticated."""
    return getattr(request.successful_authenticator, "job", None)


def _is_welcome(user: User, token: Token) -> bool:
    claim = token.get(api_settings.REVOKE_TOKEN_CLAIM)
    return user.is_active and claim == get_md5_hash_password(user.password)
