"""Every fault has the listed result and the right charge, and leaks no internal text."""

import re

import pytest
from django.core.management import call_command

from jobs.models import VideoRemoval
from tests.api import COST, TOKENS
from tests.faults import table
from tests.faults.fault import CANCELLED, GONE, KEPT, SUCCEEDED
from tests.faults.lists import FAULTS
from tests.faults.studio import unusual_lines

pytestmark = pytest.mark.slow

EACH = [(section, fault) for section, faults in FAULTS.items() for fault in faults]
SENTENCE = re.compile(r"[A-Z][\w\s,']{15,100}\.")
WORDS = (  # Google's, Cloudinary's and Python's own, none of which is for clients or the log
    "support codes",
    "use case",
    "overloaded",
    "quota",
    "responsible ai",
    "internal server issue",
    "api key",
    "api_key",
    "not found in",
    "permission_denied",
    "unavailable.",
    "resource_exhausted",
    "bad gateway",
    "time-out",
    "string to sign",
    "test-project",
    "test-cloudinary",
    "test-google",
    "wrong-",
    "publishers/",
    "clienterror",
    "httpx",
    "connection refused",
    "disconnected",
    "/tmp",
    "/var",
)


class TestFault:
    @pytest.mark.parametrize(("section", "fault"), EACH, ids=lambda it: getattr(it, "name", it))
    def test_fault_ends_as_the_table_says(self, studio, row, section, fault):
        fault.play(studio)
        job = studio.shown()
        if job:
            assert (job["status"], job["errorCode"]) == (fault.status, fault.error_code)
        assert (job is None) is (fault.status == "gone")
        assert studio.calls() == fault.calls
        assert_money(studio, job, fault)
        assert_words(studio, job)
        assert_traces(studio, job, fault)
        row(section, fault, job)


def assert_money(studio, job, fault):
    """There is one charge and at most one refund, and the balance agrees."""
    back = 0 if fault.money == KEPT else COST
    entries = studio.client.get("/api/v1/tokens/entries").json()["entries"]
    amounts = [each["amount"] for each in entries if each["reference"] == str(studio.job.pk)]
    assert amounts == [COST, -COST] if back else [-COST]
    assert job is None or (job["tokensConsumed"], job["tokensRefunded"]) == (COST, back)
    paid = sum(each["amount"] for each in entries if each["kind"] == "charge")
    balance = studio.client.get("/api/v1/tokens").json()["availableTokens"]
    assert balance == TOKENS + paid + back
    call_command("check_ledger")


def assert_words(studio, job):
    """Clients read our own sentences only; staff also read the cause."""
    if job and job["status"] == "FAILED":
        assert SENTENCE.fullmatch(job["errorMessage"])
        assert unusual_lines(job)[-1] == f"❌ {job['errorMessage']}"
        assert any(
            line.startswith(f"Failed: {job['errorCode']}: ") for line in studio.read_by_staff()
        )
        assert "job failed" in studio.log.text
    told = studio.read_by_anybody()
    assert not [word for word in WORDS if word in told.lower()]
    assert not [each for each in studio.google.records if each.operation and each.operation in told]


def assert_traces(studio, job, fault):
    """No staged file is left; a stored video exists once and is complete."""
    assert studio.staged_files() == []
    if fault.end in (CANCELLED, GONE):
        studio.delete_files()
    if fault.is_removed or fault.end in (CANCELLED, GONE):
        assert studio.stored() is None
        assert not VideoRemoval.objects.exists()
    elif fault.end == SUCCEEDED:
        assert studio.client.get(f"/api/v1/video-jobs/{studio.job.pk}/download").status_code == 302
        assert studio.stored() == studio.google.video_of(studio.operation())


class TestFile:
    def test_file_has_every_fault_and_nothing_else(self):
        lines = table.written()
        assert list(lines) == [(section, fault.name) for section, fault in EACH], table.OUTDATED
        assert table.FILE.read_text() == table.text(lines), table.OUTDATED
