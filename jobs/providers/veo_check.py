"""What is wrong with the Google account, the region and the models, without making a video.

Each model costs two reads. Polling an operation that does not exist names the key, the project, the
region and the model, as a submission does, and cannot create anything. `models.get` names the model
without project and region: it tells a model that has ended from a region that lacks it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import httpx2
from django.conf import settings
from google.auth.exceptions import GoogleAuthError
from google.genai import errors

from jobs.providers import provider_for, veo_is_configured
from jobs.providers.base import NotConfigured
from jobs.providers.veo import Veo, is_about_the_model, operation_of

NOBODY = "00000000-0000-0000-0000-000000000000"  # the id of no operation
OF_THE_KEY = ("API_KEY", "unregistered callers")
OF_THE_PROJECT = ("PROJECT_INVALID", "PROJECT_DENIED", "CONSUMER_INVALID", "BILLING_DISABLED")
UNASKED = "Google did not say whether it has ended or only this region lacks it."


class Problem(IntEnum):
    """The exit codes of `check_veo`."""

    NONE = 0
    NO_ANSWER = 1
    NO_KEY = 2
    WRONG_KEY = 3
    PROJECT = 4
    REGION = 5
    MODEL_ENDED = 6


@dataclass(frozen=True)
class Finding:
    """`subject` is "key", "project", "region" or Google's id of a model."""

    subject: str
    problem: Problem
    sentence: str


def findings(*, models: Iterable[str]) -> list[Finding]:
    """A finding for the key, the project, the region and each of `models`, Google's ids.

    The last one is the first that makes the others impossible to check.
    """
    if not veo_is_configured():
        text = "Neither GOOGLE_API_KEY nor GOOGLE_CLOUD_PROJECT is set."
        return [Finding("key", Problem.NO_KEY, text)]
    try:
        veo: Any = provider_for(mock_mode=False)
    except NotConfigured as error:
        return [Finding("key", Problem.NO_ANSWER, str(error))]
    looks = [_look(veo, model) for model in models]
    for look in looks:
        if look.subject in WELL:
            return [*_well_before(look.subject), look]
    if all(look.problem == Problem.REGION for look in looks):
        text = f"{settings.GOOGLE_CLOUD_LOCATION} has none of the models (GOOGLE_CLOUD_LOCATION)."
        return [*_well_before("region"), Finding("region", Problem.REGION, text), *looks]
    return [*_well_before(""), *looks]


def _well_before(subject: str) -> Iterator[Finding]:
    """The parts that Google checks before this one."""
    for name, sentence in WELL.items():
        if name == subject:
            return
        yield Finding(name, Problem.NONE, sentence())


def _project() -> str:
    name = settings.GOOGLE_CLOUD_PROJECT
    return f"Google accepts {name}." if name else "None is set; Google uses that of the key."


def _region() -> str:
    name = settings.GOOGLE_CLOUD_LOCATION
    return f"{name} answers." if settings.GOOGLE_CLOUD_PROJECT else "Google chooses it."


WELL = {
    "key": lambda: "Google accepts the key or the credentials.",
    "project": _project,
    "region": _region,
}


def _look(veo: Veo, model: str) -> Finding:
    """What the account, the region or the model lacks; with the account in order, of the model."""
    try:
        veo.client.operations.get(operation_of(_name_of_no_operation(model)))
    except errors.APIError as error:
        return _of_account(error) or _of_model(
            veo, model, here=not is_about_the_model(error, model)
        )
    except GoogleAuthError as error:
        return Finding("key", Problem.WRONG_KEY, f"Google's credentials cannot be used: {error}")
    except (httpx2.HTTPError, ValueError) as error:
        return Finding("region", Problem.NO_ANSWER, f"Google did not answer: {error}")
    return _of_model(veo, model, here=True)


def _name_of_no_operation(model: str) -> str:
    project, region = settings.GOOGLE_CLOUD_PROJECT, settings.GOOGLE_CLOUD_LOCATION
    place = f"projects/{project}/locations/{region}/" if project else ""
    return f"{place}publishers/google/models/{model}/operations/{NOBODY}"


def _of_account(error: errors.APIError) -> Finding | None:
    """What this answer says about the key, the project or the region; None if they are in order."""
    said, text = (
        f"{error.message} {error.details}",
        f"Google answered {error.code}: {error.message}",
    )
    if error.code == 401 or any(sign in said for sign in OF_THE_KEY):
        return Finding("key", Problem.WRONG_KEY, f"{text} (GOOGLE_API_KEY)")
    if error.code == 403 or any(sign in said for sign in OF_THE_PROJECT):
        return Finding("project", Problem.PROJECT, f"{text} (GOOGLE_CLOUD_PROJECT)")
    unknown_place = error.code == 404 and error.status != "NOT_FOUND"  # a page, not an answer
    if unknown_place or (error.code == 400 and re.search(r"\b(region|location)\b", said)):
        names = "GOOGLE_CLOUD_LOCATION, VEO_API_VERSION"
        return Finding("region", Problem.REGION, f"{text} ({names})")
    if error.code == 429 or error.code >= 500:
        return Finding("region", Problem.NO_ANSWER, text)
    return None


def _of_model(veo: Veo, model: str, *, here: bool) -> Finding:
    """`here`: whether the project and the region have the model."""
    try:
        veo.client.models.get(model=model)
    except errors.APIError as error:
        if is_about_the_model(error, model):
            return Finding(model, Problem.MODEL_ENDED, f"Google no longer has it: {error.message}")
        if not here:
            return Finding(model, Problem.MODEL_ENDED, f"Google does not find it. {UNASKED}")
    except (httpx2.HTTPError, GoogleAuthError, ValueError) as error:
        return Finding(model, Problem.NO_ANSWER, f"Google did not answer: {error}")
    if here:
        return Finding(model, Problem.NONE, "Google has it.")
    region = settings.GOOGLE_CLOUD_LOCATION
    return Finding(model, Problem.REGION, f"Google has it, but not for this project in {region}.")
