"""Run the whole service on one machine, and make a video through it as a client."""

import io
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import api_keys
from accounts.models import ApiKey, User
from jobs.providers import veo_is_configured
from jobs.storage import mp4
from jobs.worker.supervisor import die_with_parent
from tokens_ledger import ledger, reconciliation

TOKENS = 500
KEY_NAME = "Demo"
START_SECONDS = 30
ENDINGS = (signal.SIGINT, signal.SIGTERM)
interrupted = threading.Event()
ORDER = {
    "prompt": "A cinematic shot of a sunset over mountains",
    "model": "veo-3.1-fast-generate-preview",
    "resolution": "720p",
    "aspectRatio": "16:9",
    "durationSeconds": "8",
    "generateAudio": "true",
}


class Command(BaseCommand):
    help = "Starts web and worker, makes a video through the API, and stays up until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.PORT)
        parser.add_argument("--once", action="store_true", help="end after the video")
        parser.add_argument(
            "--no-mock", action="store_true", help="a real video, which costs money"
        )

    def handle(self, *args: Any, port: int, once: bool, no_mock: bool, **options: Any) -> None:
        for signum in ENDINGS:
            signal.signal(signum, _interrupt)
        _refuse_busy(port)
        if no_mock and not veo_is_configured():
            raise CommandError("MOCK=0 needs GOOGLE_API_KEY or GOOGLE_CLOUD_PROJECT")
        call_command("migrate", verbosity=0)
        users = {"demo": _user("demo", staff=False), "admin": _user("admin", staff=True)}
        key = _api_key("demo")
        reconciliation.run(now=timezone.now())  # else the overview says "never checked" for an hour
        try:
            with _services(port, settings_of_services(mock=not no_mock)) as services:
                client = Client(f"http://localhost:{port}", self.stdout.write, services)
                client.wait_until_ready()
                self._introduce(client.base, users, key)
                client.http.headers["Authorization"] = f"Bearer {key}"
                client.make_a_video(mock=not no_mock)
                client.show_ledger()
                if not once:
                    self.stdout.write("\nRunning. Ctrl-C ends it.")
                    services.wait()
        except KeyboardInterrupt:
            self.stdout.write("\nEnded.")

    def _introduce(self, base: str, users: dict[str, str], key: str) -> None:
        self.stdout.write(f"Monitor  {base}/video-monitor")
        self.stdout.write(f"Guide    {base}/docs")
        self.stdout.write(f"API docs {base}/api/v1/docs        demo / {users['demo']}")
        self.stdout.write(f"Admin    {base}/admin/             admin / {users['admin']}")
        self.stdout.write(f"API key  {key}\n")


class Services:
    """web and worker of the Procfile, run by honcho, which ends both when one of them ends."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / "services.log"
        honcho = [sys.executable, "-m", "honcho", "--env", os.devnull, "--no-colour", "start"]
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        with self.log.open("wb") as output, _signals_blocked():
            self.process = subprocess.Popen(
                [*honcho, "web", "worker"],
                cwd=settings.BASE_DIR,
                env=os.environ | {"PATH": programs} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this command only, which then ends honcho
                preexec_fn=partial(_end_with, os.getpid()),
            )

    def fail_if_ended(self) -> None:
        if interrupted.is_set():  # Python drops an exception that is raised within a callback
            raise KeyboardInterrupt
        if self.process.poll() is not None:
            log = self.log.read_text(errors="replace")
            raise CommandError(f"web or worker ended:\n{log[-2000:]}")

    def wait(self) -> None:
        while True:
            self.fail_if_ended()
            time.sleep(1)

    def stop(self) -> None:
        # A SIGTERM before honcho has started both makes it fail, and then wait for them for ever.
        while self.process.poll() is None and self.log.read_bytes().count(b" started (pid=") < 2:
            time.sleep(0.05)
        self.process.terminate()
        self.process.wait()


class Client:
    """A client of the API that prints each step."""

    def __init__(self, base: str, say: Any, services: Services) -> None:
        self.base = base
        self.say = say
        self.services = services
        self.http = requests.Session()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            self.services.fail_if_ended()
            try:
                answer = self.http.get(f"{self.base}/readyz", timeout=5)
                if answer.ok:
                    return
                reason = str(answer.json()["checks"])
            except requests.ConnectionError:
                reason = "the web process does not answer"
            if time.monotonic() > end:
                raise CommandError(f"Not ready after {START_SECONDS} seconds: {reason}")
            time.sleep(0.2)

    def make_a_video(self, *, mock: bool) -> None:
        order = ORDER | {"mockMode": "true" if mock else "false"}
        files = {"initialImage": ("first.png", _picture())}
        job = self._call("POST", "video-jobs", data=order, files=files)
        self.say(f"Job {job['id']}: {order['prompt']}")
        job = self._watch(job)
        if job["status"] != "SUCCEEDED":
            raise CommandError(f"{job['status']}: {job['errorMessage']} ({job['errorCode']})")
        self.say(f"An MP4 of {self._check_download(job):,} bytes:\n  {job['cloudinaryUrl']}")

    def show_ledger(self) -> None:
        self.say("\nThe last ledger entries:")
        for entry in reversed(self._call("GET", "tokens/entries?limit=5")["entries"]):
            self.say(
                f"  {entry['createdAt']}  {entry['kind']:<10} {entry['amount']:>6}"
                f"  balance {entry['balanceAfter']:>6}  {entry['note']}"
            )

    def _watch(self, job: dict) -> dict:
        seen, drawn = 0, ""
        while True:
            for line in job["logs"][seen:]:
                self._draw("")
                self.say(f"  {line['timestamp'][11:19]}  {line['message']}")
            seen = len(job["logs"])
            if job["completedAt"]:
                return job
            if (bar := _bar(job)) != drawn:
                self._draw(bar)
                drawn = bar
            time.sleep(0.5)
            self.services.fail_if_ended()
            job = self._call("GET", f"video-jobs/{job['id']}")

    def _draw(self, bar: str) -> None:
        if sys.stdout.isatty():
            self.say(f"\r\x1b[2K{bar}", ending="")
            sys.stdout.flush()
        elif bar:
            self.say(bar)

    def _check_download(self, job: dict) -> int:
        """The video's size in bytes. Follows the redirect of `download`, as a client would."""
        answer = self.http.get(f"{self.base}/api/v1/video-jobs/{job['id']}/download", timeout=120)
        answer.raise_for_status()
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            file.write(answer.content)
            file.flush()
            mp4.check(Path(file.name))
        return len(answer.content)

    def _call(self, method: str, path: str, **more: Any) -> dict:
        answer = self.http.request(method, f"{self.base}/api/v1/{path}", timeout=60, **more)
        if not answer.ok:
            raise CommandError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()


def settings_of_services(*, mock: bool) -> dict[str, str]:
    """Settings for browser clients that send no `mockMode`, and for a webhook receiver on this
    machine, unless the operator set them.

    For real videos `mockMode` stays required, so that no client makes one by accident.
    """
    found = {}
    if not (settings.CORS_ALLOW_ALL_ORIGINS or settings.CORS_ALLOWED_ORIGINS):
        found["CORS_ALLOWED_ORIGINS"] = "*"
    if mock and settings.VIDEO_DEFAULT_MOCK_MODE is None:
        found["VIDEO_DEFAULT_MOCK_MODE"] = "true"
    if not settings.WEBHOOK_ALLOWED_HOSTS:
        found["WEBHOOK_ALLOWED_HOSTS"] = "localhost"
    return found


@contextmanager
def _services(port: int, extra_settings: dict[str, str]) -> Iterator[Services]:
    with tempfile.TemporaryDirectory(prefix="videostudio-demo-") as folder:
        services = Services(Path(folder), {"PORT": str(port)} | extra_settings)
        try:
            yield services
        finally:
            services.stop()


def _interrupt(*_: Any) -> None:
    interrupted.set()
    raise KeyboardInterrupt


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Delay Ctrl-C until the end of a fork: Python drops an exception that is raised within."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def _end_with(parent: int) -> None:
    """Runs in the forked process: it gets SIGTERM when `parent` dies."""
    die_with_parent(parent=parent, signum=signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def _refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except (OSError, OverflowError) as error:
            advice = f"Choose another: make demo PORT={8002 if port == 8001 else 8001}"
            raise CommandError(f"Port {port} cannot be used ({error}). {advice}") from error


def _user(name: str, *, staff: bool) -> str:
    """Create or reset a user with a new password; return the password."""
    password = secrets.token_urlsafe(9)
    user, _ = User.objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})
    user.is_staff = user.is_superuser = staff
    user.set_password(password)
    user.save()
    if not staff and ledger.balance(user=user) < TOKENS:
        ledger.grant(user=user, amount=TOKENS, note="For the demo")
    return password


def _api_key(name: str) -> str:
    """A new API key; the one of the last demo, which nobody can read again, is revoked."""
    user, now = User.objects.get(username=name), timezone.now()
    api_keys.revoke(keys=ApiKey.objects.filter(user=user, name=KEY_NAME), now=now)
    _, key = api_keys.create(user=user, name=KEY_NAME, now=now)
    return key


def _picture() -> bytes:
    """A PNG for the first frame: a gradient, 1280 x 720."""
    from PIL import Image

    picture = io.BytesIO()
    Image.linear_gradient("L").resize((1280, 720)).convert("RGB").save(picture, "PNG")
    return picture.getvalue()


def _bar(job: dict) -> str:
    done = job["progressPercentage"] * 30 // 100
    left = job["estimatedSecondsRemaining"]
    about = f", about {left} s left" if left is not None else ""
    message = job["statusMessage"]
    return f"  [{'#' * done}{'.' * (30 - done)}] {job['progressPercentage']:>3} %  {message}{about}"
