"""Limits at Google hold for the whole installation, across clusters; users take turns."""

import pytest

from tests.fakes import CloudinaryImitation, VertexImitation
from tests.stack import until

WAITING_FOR_UPSTREAM_SLOT = "Waiting for a free slot at Google Veo. The job starts automatically."

pytestmark = pytest.mark.live


@pytest.fixture
def google():
    with VertexImitation(seconds=3) as service:
        yield service


@pytest.fixture
def two_clusters(stack, google):
    """Starts two clusters on one database with the limits given."""
    with CloudinaryImitation() as cloudinary:

        def start(**limits):
            return stack(google=google.url, cloudinary=cloudinary.url, clusters=2, env=limits)

        yield start


def pending(user):
    return user.get("/api/v1/video-jobs?status_filter=PENDING").json()["jobs"]


class TestLimitsAtGoogle:
    def test_videos_in_flight_stay_below_the_limit_and_users_take_turns(self, two_clusters, google):
        studio = two_clusters(
            VEO_MAX_IN_FLIGHT="3", VEO_CREATES_PER_MINUTE="1000", VIDEO_MAX_WAITING_JOBS="20"
        )
        greedy, modest = studio.user("greedy", tokens=1000), studio.user("modest", tokens=1000)
        jobs = [(greedy, greedy.order(f"greedy {n}", mockMode="false")["id"]) for n in range(6)]
        jobs.append((modest, modest.order("modest", mockMode="false")["id"]))
        assert until(
            lambda: WAITING_FOR_UPSTREAM_SLOT in {job["statusMessage"] for job in pending(greedy)},
            20,
        )
        positions = [job["queuePosition"] for job in pending(greedy)]
        assert len(set(positions)) == len(positions)
        for user, job in jobs:
            assert user.wait(job, seconds=90)["status"] == "SUCCEEDED"
        prompts = [record.prompt for record in google.records]
        assert google.max_in_flight <= 3
        assert len(prompts) == len(jobs)
        # Three videos of greedy are in flight when modest orders; then it is modest's turn.
        assert prompts.index("modest") <= 5

    def test_submissions_per_minute_stay_below_the_limit(self, two_clusters, google):
        studio = two_clusters(VEO_CREATES_PER_MINUTE="2", VIDEO_MAX_ACTIVE_JOBS="5")
        alice = studio.user("alice", tokens=1000)
        jobs = [alice.order(f"job {n}", mockMode="false")["id"] for n in range(4)]
        for job in jobs[:2]:
            assert alice.wait(job)["status"] == "SUCCEEDED"
        later = [alice.job(job) for job in jobs[2:]]
        assert [job["status"] for job in later] == ["PENDING", "PENDING"]
        assert {job["statusMessage"] for job in later} == {WAITING_FOR_UPSTREAM_SLOT}
        assert len(google.records) == 2
