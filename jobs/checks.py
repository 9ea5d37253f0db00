"""System checks for combinations of settings. An error prevents every process from starting."""

import os
from math import ceil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection

from jobs import pricing, providers
from jobs.catalog import MODELS
from jobs.providers.base import TIMEOUT_SECONDS
from jobs.stats.database import connection_limit
from jobs.worker import leases
from jobs.worker.step import RENEW_SECONDS


@register("jobs")
def times_fit(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The workers' time-outs: each must outlast what it waits for (docs/architecture.md)."""
    q: dict[str, Any] = settings.Q_CLUSTER
    lease = int(leases.LEASE.total_seconds())
    longest = (ceil((q["queue_limit"] + 1) / q["workers"]) + 1) * q["timeout"]
    longest_step = max(2 * RENEW_SECONDS, TIMEOUT_SECONDS)
    shortest = max(lease, settings.MOCK_SECONDS)
    deadline = settings.VIDEO_JOB_DEADLINE_SECONDS
    rules = [
        (
            q["retry"] > longest,
            "A task could be given to a second worker while the first is still running it.",
            f"Raise Q_CLUSTER['retry'] above {longest}, or lower its timeout or queue_limit.",
        ),
        (
            lease > longest_step,
            "A job's lease could end while its worker waits for the provider.",
            f"Raise jobs.worker.leases.LEASE above {longest_step:.0f} seconds.",
        ),
        (
            deadline > shortest,
            "Jobs would fail before they can be done.",
            f"Raise VIDEO_JOB_DEADLINE_SECONDS above {shortest}: a job's lease, and MOCK_SECONDS.",
        ),
        (
            q["timeout"] > lease,
            "A worker could be ended in the middle of a step.",
            f"Raise Q_CLUSTER['timeout'] above {lease}, which is jobs.worker.leases.LEASE.",
        ),
    ]
    return [
        Error(message, hint=hint, id=f"jobs.E{number:03}")
        for number, (holds, message, hint) in enumerate(rules, 1)
        if not holds
    ]


@register("jobs")
def model_ids_are_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The names in VEO_MODEL_IDS must be in the catalog."""
    unknown = sorted(set(settings.VEO_MODEL_IDS) - set(MODELS))
    if not unknown:
        return []
    return [
        Error(
            f"VEO_MODEL_IDS names models that do not exist: {', '.join(unknown)}",
            hint=f"Use these names: {', '.join(MODELS)}.",
            id="jobs.E005",
        )
    ]


@register("jobs")
def prices_are_complete(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """VIDEO_PRICES, if it is set, must have a price for each video of the catalog."""
    if not settings.VIDEO_PRICES:
        return []
    try:
        pricing.check(settings.VIDEO_PRICES)
    except ValueError as error:
        hint = "`python manage.py price_table` prints a whole table."
        return [Error(f"VIDEO_PRICES: {error}", hint=hint, id="jobs.E007")]
    return []


CLUSTER_CONNECTIONS = 5  # of its processes other than workers, and of the webhooks' sender


@register(Tags.database)
def connections_suffice(app_configs: Any, databases: Any, **kwargs: Any) -> list[CheckMessage]:
    """PostgreSQL must allow the connections of a web and a cluster. `migrate` and web check it."""
    is_pooled = settings.DATABASE_TRANSACTION_POOLING
    if "default" not in (databases or []) or connection.vendor != "postgresql" or is_pooled:
        return []
    limit = connection_limit()
    web = settings.WEB_CONCURRENCY * (settings.WEB_THREADS + 1)  # and the heartbeat
    cluster = settings.WORKER_CONCURRENCY + CLUSTER_CONNECTIONS
    if web + cluster <= limit:
        return []
    return [
        Warning(
            f"One web and one qcluster may open {web} + {cluster} connections, and PostgreSQL"
            f" allows {limit}.",
            hint="Raise PostgreSQL's max_connections or the role's limit; or lower WEB_THREADS,"
            " WEB_CONCURRENCY or WORKER_CONCURRENCY.",
            id="jobs.W004",
        )
    ]


@register("jobs")
def reset_links_have_a_host(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return _reset_links(Warning, "jobs.W005")


@register("jobs", deploy=True)
def reset_links_have_a_host_in_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return _reset_links(Error, "jobs.E006")


def _reset_links(kind: type[Error | Warning], id: str) -> list[CheckMessage]:
    """Without PUBLIC_URL, the link in the mail has the host of the request."""
    wildcards = [host for host in settings.ALLOWED_HOSTS if host.startswith((".", "*"))]
    if not settings.EMAIL_URL or settings.PUBLIC_URL or not wildcards:
        return []
    return [
        kind(
            "Anybody can have a link to another host mailed to a user who lost the password:"
            f" ALLOWED_HOSTS has {', '.join(wildcards)}.",
            hint="Set PUBLIC_URL to this service's own URL, or name each host in ALLOWED_HOSTS.",
            id=id,
        )
    ]


@register("jobs")
def names_are_known(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A misspelt variable has no effect."""
    return [
        Warning(
            f"{name} is not a setting of this service, so it has no effect.",
            hint=f"Did you mean {nearest}?" if nearest else ".env.example lists all settings.",
            id="jobs.W006",
        )
        for name, nearest in settings.UNKNOWN_NAMES.items()
    ]


@register("jobs")
def media_root_can_be_written(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The folder is made with the first video, so its nearest parent counts until then."""
    folder = Path(settings.MEDIA_ROOT).absolute()
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    can_be_written = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    if settings.USE_CLOUDINARY or can_be_written:
        return []
    return [
        Warning(
            f"This user cannot write videos to MEDIA_ROOT, {folder}.",
            hint="Let the user that runs the workers write there, or set USE_CLOUDINARY=true.",
            id="jobs.W007",
        )
    ]


@register(deploy=True)
def fit_for_production(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    messages: list[CheckMessage] = []
    if not providers.veo_is_configured() and settings.VIDEO_DEFAULT_MOCK_MODE is not True:
        messages.append(
            Warning(
                "Real videos are refused: neither a Google API key nor a Google project is set.",
                hint="Set GOOGLE_API_KEY or GOOGLE_CLOUD_PROJECT; or VIDEO_DEFAULT_MOCK_MODE=true"
                " for a service that makes samples only.",
                id="jobs.W001",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        messages.append(
            Warning(
                "ALLOWED_HOSTS=* accepts every host name, and URLs in answers have that name.",
                hint="Name the hosts that clients use. Probes are answered under any name.",
                id="jobs.W008",
            )
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        messages.append(
            Warning(
                "SQLite allows one writer at a time, and only one machine.",
                hint="Set DATABASE_URL to a PostgreSQL database, as in .env.example.",
                id="jobs.W002",
            )
        )
    if settings.HTTPS_ONLY and not settings.TRUSTED_PROXIES:
        messages.append(
            Warning(
                "A proxy terminates HTTPS, so all clients would appear to share its address.",
                hint="Set TRUSTED_PROXIES to the number of proxies: rate limits, and the lock-out"
                " after failed logins, use the client's address.",
                id="jobs.W003",
            )
        )
    return messages
