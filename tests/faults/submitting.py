"""Google does not accept the order, or it is unknown whether it did."""

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone

from jobs import model_availability
from tests.faults.fault import SUCCEEDED, Fault, google, impatient, restarted
from tests.faults.studio import Studio

NO_KEY = {"GOOGLE_API_KEY": "", "GOOGLE_CLOUD_PROJECT": ""}
RETIRED = {"veo-3.1-fast-generate-preview": "veo-3.0-fast-generate-001"}
UNKNOWN = "provider.unknown_submission"


def refused(studio: Studio) -> None:
    """Google refuses three connections."""
    studio.order()
    with studio.outage(studio.google):
        studio.try_in_vain(studio.tick)
    studio.finish()


def refused_for_ever(studio: Studio) -> None:
    studio.order()
    with studio.outage(studio.google):
        studio.finish()


def idle_connection_closed(studio: Studio) -> None:
    """Google has closed the idle connection of an earlier job."""
    studio.order()
    studio.finish()
    with studio.outage(studio.google):
        pass
    studio.google.calls.clear()
    studio.cloudinary.calls.clear()
    studio.order()
    studio.finish()


def no_credentials(studio: Studio) -> None:
    """A project without an API key, whose application-default credentials are missing."""
    studio.monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/etc/studio/none.json")
    restarted(GOOGLE_API_KEY="")(studio)


def no_certificates(studio: Studio) -> None:
    """The environment names a missing file of CA certificates."""
    studio.monkeypatch.setenv("SSL_CERT_FILE", "/etc/studio/none.pem")
    restarted()(studio)


def no_token(studio: Studio) -> None:
    """A service account whose token server refuses three connections."""
    studio.monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service_account(studio)))
    studio.order()
    studio.restart(GOOGLE_API_KEY="")
    studio.try_in_vain(studio.tick)
    studio.restart(GOOGLE_API_KEY="test-google-key")
    studio.finish()


def model_removed(studio: Studio) -> None:
    """The job waits while Google answers 404 to another job of its model."""
    studio.order()
    model = model_availability.google_id(studio.job.model)
    model_availability.close(google_id=model, cause="404 NOT_FOUND", now=timezone.now())
    studio.finish()


def service_account(studio: Studio) -> Path:
    """Credentials of a service account, whose token server refuses connections."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "client_email": "studio@test-project.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "token_uri": "http://127.0.0.1:9/token",
    }
    path = studio.folder / "account.json"
    path.write_text(json.dumps(account))
    return path


FAULTS = [
    Fault("429, twelve times in a row", google("create 429 x12"), SUCCEEDED, (13, 1, 1)),
    Fault("429 that names a delay of 34 s", google("create 429:34"), SUCCEEDED, (2, 1, 1)),
    Fault(
        "429 nine times, then 503 twice",
        google("create 429 x9", "create 503 x2"),
        SUCCEEDED,
        (12, 1, 1),
    ),
    Fault("503 three times", google("create 503 x3"), SUCCEEDED, (4, 1, 1)),
    Fault("503 every time", google("create 503 for ever"), "provider.unavailable", (10, 0, 0)),
    Fault("no connection, three times", refused, SUCCEEDED, (1, 1, 1)),
    Fault("no connection at all", refused_for_ever, "provider.unavailable", (0, 0, 0)),
    Fault("an idle connection was closed", idle_connection_closed, SUCCEEDED, (1, 1, 1)),
    Fault("no access token, three times", no_token, SUCCEEDED, (1, 1, 1)),
    Fault("400", google("create 400"), "input.unsupported", (1, 0, 0)),
    Fault("400 because of safety", google("create unsafe"), "safety.prompt", (1, 0, 0)),
    Fault("401", google("create 401"), "provider.rejected", (1, 0, 0)),
    Fault("403", google("create 403"), "provider.rejected", (1, 0, 0)),
    Fault(
        "wrong API key",
        restarted(GOOGLE_API_KEY="wrong-google-key"),
        "provider.rejected",
        (1, 0, 0),
    ),
    Fault("workers without a key", restarted(**NO_KEY), "provider.not_configured", (0, 0, 0)),
    Fault("workers without credentials", no_credentials, "provider.not_configured", (0, 0, 0)),
    Fault("workers without certificates", no_certificates, "provider.not_configured", (0, 0, 0)),
    Fault(
        "404: the model is retired",
        restarted(VEO_MODEL_IDS=RETIRED),
        "provider.rejected",
        (1, 0, 0),
    ),
    Fault("404: the model of a waiting job", model_removed, "provider.rejected", (0, 0, 0)),
    Fault("404 that names no model", google("create 404"), "provider.rejected", (1, 0, 0)),
    Fault("500", google("create 500"), UNKNOWN, (1, 0, 0)),
    Fault("504", google("create 504"), UNKNOWN, (1, 0, 0)),
    Fault("an HTML page, 502", google("create html"), UNKNOWN, (1, 0, 0)),
    Fault("an HTML page, 200", google("create html200"), UNKNOWN, (1, 0, 0)),
    Fault("no response within the time-out", impatient(google("create hang")), UNKNOWN, (1, 0, 0)),
    Fault("cut off after the order was accepted", google("create cut"), UNKNOWN, (1, 0, 0)),
]
