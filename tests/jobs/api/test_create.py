"""Creating a job: valid requests and their responses."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from jobs.models import JobImage, VideoJob
from tests.api import COST, FORM, JOBS, TOKENS, assert_fault, assert_problem
from tests.job_states import ENDED
from tests.uploads import picture
from tokens_ledger.models import Entry


class TestAnswer:
    """The 202 of the guide."""

    def test_answer_is_that_of_the_guide(self, client, alice):
        before = timezone.now() - timedelta(seconds=1)
        answer = client.create()
        assert answer.status_code == 202
        job = answer.json()
        assert UUID(job["id"]).version == 4
        assert job == {
            "id": job["id"],
            "userId": str(alice.pk),
            "clientReference": None,
            "private": False,
            "prompt": "A sunset over mountains",
            "negativePrompt": None,
            "model": "veo-3.1-fast-generate-preview",
            "resolution": "720p",
            "aspectRatio": "16:9",
            "durationSeconds": 8,
            "generateAudio": False,
            "seed": None,
            "mockMode": True,
            "inputs": {"initialImage": False, "endFrame": False, "referenceImages": 0},
            "status": "PENDING",
            "statusMessage": "Job queued for processing",
            "progressPercentage": 0,
            "logs": [{"timestamp": job["createdAt"], "level": "info", "message": "📝 Job created"}],
            "tokensConsumed": 50,
            "tokensRefunded": 0,
            "cloudinaryUrl": None,
            "posterUrl": None,
            "errorMessage": None,
            "errorCode": None,
            "queuePosition": 0,
            "estimatedSecondsRemaining": job["estimatedSecondsRemaining"],
            "createdAt": job["createdAt"],
            "startedAt": None,
            "completedAt": None,
            "videoRemovedAt": None,
            "videoRemovedReason": None,
        }
        stored = VideoJob.objects.get()
        assert before < stored.created_at < timezone.now()
        assert job["createdAt"] == f"{stored.created_at:%Y-%m-%dT%H:%M:%SZ}"

    def test_answer_has_headers_for_polling(self, client):
        answer = client.create()
        assert answer["Retry-After"] == "3"
        later = client.get(
            f"{JOBS}/{answer.json()['id']}", headers={"if-none-match": answer["ETag"]}
        )
        assert later.status_code == 304
        assert "Idempotency-Replayed" not in answer
        assert client.get(f"{JOBS}/{answer.json()['id']}").json() == answer.json()


@pytest.mark.both
class TestCharge:
    def test_job_is_charged_once(self, client, alice, tokens):
        job = client.create().json()
        assert tokens(alice) == TOKENS - COST
        charge = Entry.objects.get(kind="charge")
        assert (charge.amount, charge.reference, charge.account_id) == (-50, job["id"], alice.pk)

    def test_exact_balance_suffices(self, client, alice, tokens):
        tokens(alice, COST)
        assert client.create().status_code == 202
        assert tokens(alice) == 0

    @pytest.mark.parametrize("available", [0, 20, 49])
    def test_missing_tokens_are_the_402_of_the_guide(self, client, alice, tokens, available):
        tokens(alice, available)
        answer = client.create()
        assert answer.status_code == 402
        assert answer.json() == {
            "detail": {
                "message": "Insufficient tokens. Operation 'video_generation' costs 50 tokens "
                f"but you have {available}.",
                "cost": 50,
                "availableTokens": available,
            },
            "code": "insufficient_tokens",
        }
        assert tokens(alice) == available
        assert not VideoJob.objects.exists()

    def test_user_without_account_is_402(self, client, django_user_model, client_of):
        answer = client_of(django_user_model.objects.create_user("carol")).create()
        assert answer.status_code == 402
        assert answer.json()["detail"]["availableTokens"] == 0


@pytest.mark.both
class TestActiveJobs:
    @pytest.mark.usefixtures("bob")
    def test_fourth_active_job_is_the_429_of_the_guide(self, client, alice, tokens, stranger):
        for _ in range(3):
            assert client.create().status_code == 202
        answer = client.create()
        body = assert_problem(answer, 429, "too_many_active_jobs")
        assert body == {
            "detail": "Maximum 3 concurrent video jobs allowed. "
            "Please wait for existing jobs to complete.",
            "code": "too_many_active_jobs",
            "activeJobs": 3,
            "limit": 3,
            "estimatedWaitSeconds": body["estimatedWaitSeconds"],
        }
        assert body["estimatedWaitSeconds"] > 0
        assert answer["Retry-After"] == str(body["estimatedWaitSeconds"])
        assert tokens(alice) == TOKENS - 3 * COST
        assert VideoJob.objects.count() == 3
        assert stranger.create().status_code == 202

    def test_retry_after_is_sent_without_an_estimate(self, client, new_job):
        for _ in range(3):
            new_job(mock_mode=False)
        answer = client.create()
        assert answer.json()["estimatedWaitSeconds"] is None
        assert int(answer["Retry-After"]) > 0

    @pytest.mark.parametrize("state", ["submitting", "storing", *ENDED])
    def test_running_jobs_are_counted_and_ended_jobs_are_not(self, client, new_job, state):
        for _ in range(3):
            new_job(state)
        assert client.create().status_code == (202 if state in ENDED else 429)

    def test_waiting_jobs_are_allowed_as_configured(self, client, settings, alice, tokens):
        settings.VIDEO_MAX_ACTIVE_JOBS, settings.VIDEO_MAX_WAITING_JOBS = 1, 2
        answers = [client.create() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert {answer.json()["status"] for answer in answers[:3]} == {"PENDING"}
        assert [answer.json()["queuePosition"] for answer in answers[:3]] == [0, 1, 2]
        assert (answers[3].json()["activeJobs"], answers[3].json()["limit"]) == (3, 3)
        assert tokens(alice) == TOKENS - 3 * COST


class TestDefaults:
    @pytest.mark.parametrize(
        "fields",
        [
            {"durationSeconds": None, "generateAudio": None},
            {"durationSeconds": "", "generateAudio": "", "negativePrompt": " ", "seed": ""},
            {"initialImage": "", "endFrame": "", "referenceImages": ""},
        ],
    )
    def test_empty_form_field_gets_the_default(self, client, fields):
        job = client.create(**fields).json()
        assert (job["durationSeconds"], job["generateAudio"]) == (8, False)
        assert (job["negativePrompt"], job["seed"]) == (None, None)

    def test_null_in_json_gets_the_default(self, client):
        nothing = {"durationSeconds": None, "generateAudio": None, "initialImage": None}
        nothing |= {"negativePrompt": None, "seed": None, "endFrame": None}
        answer = client.create_json(**nothing, referenceImages=None)
        assert answer.status_code == 202
        assert (answer.json()["durationSeconds"], answer.json()["generateAudio"]) == (8, False)
        assert (answer.json()["negativePrompt"], answer.json()["seed"]) == (None, None)
        assert answer.json()["inputs"]["referenceImages"] == 0

    @pytest.mark.parametrize(("default", "shown"), [(True, True), (False, False)])
    def test_operator_sets_the_default_mock_mode(self, client, settings, default, shown):
        settings.VIDEO_DEFAULT_MOCK_MODE, settings.GOOGLE_API_KEY = default, "a key"
        assert client.create(mockMode=None).json()["mockMode"] is shown
        assert client.create(mockMode="true").json()["mockMode"] is True
        assert client.create(mockMode="false").json()["mockMode"] is False

    def test_fields_of_the_guides_client_suffice(self, client, settings):
        settings.VIDEO_DEFAULT_MOCK_MODE = True
        asked = {
            "prompt": "A sunset over mountains",
            "model": "veo-3.1-fast-generate-preview",
            "resolution": "1080p",
            "aspectRatio": "16:9",
        }
        assert client.post(JOBS, asked, format="multipart").status_code == 202


class TestFields:
    def test_duration_may_be_number_or_text(self, client, many):
        for seconds in (4, 6, 8):
            for form in (
                client.create(durationSeconds=str(seconds)),
                client.create_json(durationSeconds=seconds),
                client.create_json(durationSeconds=float(seconds)),
                client.create_json(durationSeconds=f" {seconds} "),
            ):
                assert form.status_code == 202
                assert form.json()["durationSeconds"] == seconds

    def test_seed_may_be_number_or_digits(self, client, many):
        for seed in (0, 2**32 - 1):
            for answer in (
                client.create(seed=str(seed)),
                client.create_json(seed=seed),
                client.create_json(seed=str(seed)),
            ):
                assert answer.status_code == 202
                assert answer.json()["seed"] == seed

    def test_negative_prompt_is_trimmed(self, client):
        for create in (client.create, client.create_json):
            assert create(negativePrompt=" rain,\nfog ").json()["negativePrompt"] == "rain,\nfog"

    @pytest.mark.parametrize("name", ["generateAudio", "mockMode"])
    def test_boolean_may_be_json_or_text_in_any_case(self, client, settings, many, name):
        settings.GOOGLE_API_KEY = "a key"
        for given, meant in (("true", True), ("TRUE", True), ("fAlSe", False)):
            for answer in (
                client.create(**{name: given}),
                client.create_json(**{name: given}),
                client.create_json(**{name: meant}),
            ):
                assert answer.status_code == 202
                assert answer.json()[name] is meant

    def test_prompt_is_kept_without_outer_spaces(self, client, many):
        for given, kept in (
            ("  A sunset \n", "A sunset"),
            ("one\ttwo\r\nthree\nfour", None),
            ("Ein Mädchen, 日本, 🎬 👩‍👩‍👧 é", "Ein Mädchen, 日本, 🎬 👩‍👩‍👧 é"),
            (
                "\u202bשלום\u202c \u200fسلام\u200e \u2066x\u2069",
                "\u202bשלום\u202c \u200fسلام\u200e \u2066x\u2069",
            ),
            ("<script>alert(1)</script> '; DROP TABLE jobs; --", None),
            ("{{ prompt }} %s %(x)s \\u0041 \\", None),
            ("🎬" * 4000, None),
            (f"  {'x' * 4000}\n", "x" * 4000),
        ):
            for answer in (client.create(prompt=given), client.create_json(prompt=given)):
                assert answer.status_code == 202, answer.content
                assert answer.json()["prompt"] == (given if kept is None else kept)
                assert client.get(f"{JOBS}/{answer.json()['id']}").json()["prompt"] == (
                    kept or given
                )

    def test_empty_prompt_with_an_image_is_null(self, client):
        for prompt in (None, "", "\n\t"):
            answer = client.create(prompt=prompt, initialImage=picture())
            assert answer.status_code == 202
            assert answer.json()["prompt"] is None

    def test_fields_of_the_service_are_unknown(self, client, bob):
        names = (
            *("id", "userId", "user", "user_id", "status", "stage", "statusMessage", "version"),
            *("progressPercentage", "tokensConsumed", "tokens_consumed", "tokensRefunded"),
            *("cloudinaryUrl", "video_url", "posterUrl", "errorCode", "queuePosition"),
            *("createdAt", "completedAt", "expected_seconds", "operation"),
        )
        forged = dict.fromkeys(names, str(bob.pk))
        for answer in (client.create(**forged), client.create_json(**forged)):
            faults = assert_fault(answer, field="id")["errors"]
            assert {fault["code"] for fault in faults} == {"unknown_field"}
            assert str(bob.pk) not in answer.text
        assert not VideoJob.objects.exists()


class TestPictures:
    def test_answer_counts_the_images(self, client):
        both = client.create(initialImage=picture(), endFrame=picture("PNG"))
        assert both.json()["inputs"] == {
            "initialImage": True,
            "endFrame": True,
            "referenceImages": 0,
        }
        three = client.create(referenceImages=[picture(), picture("PNG"), picture("WEBP")])
        assert three.json()["inputs"] == {
            "initialImage": False,
            "endFrame": False,
            "referenceImages": 3,
        }

    def test_images_keep_role_and_order(self, client):
        client.create(initialImage=picture(size=(10, 1)), endFrame=picture(size=(20, 1)))
        client.create(referenceImages=[picture(size=(n, 2)) for n in (30, 40, 50)])
        places = JobImage.objects.order_by("width").values_list("role", "position", "width")
        assert list(places) == [
            ("initialImage", 0, 10),
            ("endFrame", 0, 20),
            ("referenceImages", 0, 30),
            ("referenceImages", 1, 40),
            ("referenceImages", 2, 50),
        ]

    def test_empty_file_field_of_a_browser_is_no_image(self, client):
        body = (
            b"".join(
                b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
                % (name.encode(), str(value).encode())
                for name, value in FORM.items()
            )
            + b'--x\r\nContent-Disposition: form-data; name="initialImage"; filename=""\r\n'
            + b"Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
        )
        answer = client.send(body, "multipart/form-data; boundary=x")
        assert answer.status_code == 202
        assert answer.json()["inputs"]["initialImage"] is False
