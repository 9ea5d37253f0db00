"""What is wrong with the Google account, the region and the models, without making a video.

Each model costs two reads. Polling an operation that does not exist names the key, the project, the
region and the model, as a submission does, and cannot create anything. `models.get` names the model
without project and region: it tells a model that has ended from a region that lacks it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import takewhile
from typing import Any

import httpx2
from django.conf import settings
from google.auth.exceptions import GoogleAuthError
from google.genai import errors

from jobs.providers import provider_for, veo_is_configured
from jobs.providers.base import NotConfigured
from jobs.providers.veo import Veo, is_about_the_model, operation_of

UNKNOWN_OPERATION = "00000000-0000-0000-0000-000000000000"
KEY_SIGNS = ("API_KEY", "unregistered callers")
PROJECT_SIGNS = ("PROJECT_INVALID", "PROJECT_DENIED", "CONSUMER_INVALID", "BILLING_DISABLED")
ENDED_OR_REGION = "Google did not say whether it has ended or only this region lacks it."


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

    The list ends at the first problem that prevents further checks.
    """
    if not veo_is_configured():
        text = "Neither GOOGLE_API_KEY nor GOOGLE_CLOUD_PROJECT is set."
        return [Finding("key", Problem.NO_KEY, text)]
    try:
        veo: Any = provider_for(mock_mode=False)
    except NotConfigured as error:
        return [Finding("key", Problem.NO_ANSWER, str(error))]
    found = [_check(veo, model) for model in models]
    for finding in found:
        if finding.subject in ("key", "project", "region"):
            return [*_in_order_before(finding.subject), finding]
    if all(finding.problem == Problem.REGION for finding in found):
        text = f"{settings.GOOGLE_CLOUD_LOCATION} has none of the models (GOOGLE_CLOUD_LOCATION)."
        return [*_in_order_before("region"), Finding("region", Problem.REGION, text), *found]
    return [*_in_order_before("model"), *found]


def _in_order_before(subject: str) -> Iterator[Finding]:
    """The parts that Google checks before `subject`, which are in order."""
    project, region = settings.GOOGLE_CLOUD_PROJECT, settings.GOOGLE_CLOUD_LOCATION
    sentences = {
        "key": "Google accepts the key or the credentials.",
        "project": "None is set; Google uses that of the key.",
        "region": "Google chooses it.",
    }
    if project:
        sentences |= {"project": f"Google accepts {project}.", "region": f"{region} answers."}
    for name in takewhile(lambda name: name != subject, sentences):
        yield Finding(name, Problem.NONE, sentences[name])


def _check(veo: Veo, model: str) -> Finding:
    """What is wrong with the key, the project, the region or, if they are in order, the model."""
    try:
        veo.client.operations.get(operation_of(_unknown_operation(model)))
    except errors.APIError as error:
        in_region = not is_about_the_model(error, model)
        return _of_account(error) or _of_model(veo, model, in_region=in_region)
    except GoogleAuthError as error:
        return Finding("key", Problem.WRONG_KEY, f"Google's credentials cannot be used: {error}")
    except (httpx2.HTTPError, ValueError) as error:
        return Finding("region", Problem.NO_ANSWER, f"Google did not answer: {error}")
    return _of_model(veo, model, in_region=True)


def _unknown_operation(model: str) -> str:
    project, region = settings.GOOGLE_CLOUD_PROJECT, settings.GOOGLE_CLOUD_LOCATION
    place = f"projects/{project}/locations/{region}/" if project else ""
    return f"{place}publishers/google/models/{model}/operations/{UNKNOWN_OPERATION}"


def _of_account(error: errors.APIError) -> Finding | None:
    """What this answer says about the key, the project or the region; None if they are in order."""
    said = f"{error.message} {error.details}"
    text = f"Google answered {error.code}: {error.message}"
    if error.code == 401 or any(sign in said for sign in KEY_SIGNS):
        return Finding("key", Problem.WRONG_KEY, f"{text} (GOOGLE_API_KEY)")
    if error.code == 403 or any(sign in said for sign in PROJECT_SIGNS):
        return Finding("project", Problem.PROJECT, f"{text} (GOOGLE_CLOUD_PROJECT)")
    unknown_place = error.code == 404 and error.status != "NOT_FOUND"  # a page, not an answer
    if unknown_place or (error.code == 400 and re.search(r"\b(region|location)\b", said)):
        names = "GOOGLE_CLOUD_LOCATION, VEO_API_VERSION"
        return Finding("region", Problem.REGION, f"{text} ({names})")
    if error.code == 429 or error.code >= 500:
        return Finding("region", Problem.NO_ANSWER, text)
    return None


def _of_model(veo: Veo, model: str, *, in_region: bool) -> Finding:
    """`in_region`: whether the project and the region have the model."""
    try:
        veo.client.models.get(model=model)
    except errors.APIError as error:
        if is_about_the_model(error, model):
            return Finding(model, Problem.MODEL_ENDED, f"Google no longer has it: {error.message}")
        if not in_region:
            return Finding(
                model, Problem.MODEL_ENDED, f"Google does not find it. {ENDED_OR_REGION}"
            )
    except (httpx2.HTTPError, GoogleAuthError, ValueError) as error:
        return Finding(model, Problem.NO_ANSWER, f"Google did not answer: {error}")
    if in_region:
        return Finding(model, Problem.NONE, "Google has it.")
    region = settings.GOOGLE_CLOUD_LOCATION
    return Finding(model, Problem.REGION, f"Google has it, but not for this project in {region}.")
