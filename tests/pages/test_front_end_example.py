"""examples/frontend in Chromium, on another origin than the service's, under its strict CSP."""

import base64
import hashlib
import hmac
import io
import json
import re
import signal
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.accessibility import problems
from tests.browser import screenshot
from tests.client import MOCK_JOB, ApiClient
from tests.front_end import serve_front_end
from tests.prices import PRICES, price
from tests.run import SQLITE
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]

PASSWORD = "correct-horse-battery"
JWT_KEY = "known to everybody, for tests on one machine"
FAST, LITE = "veo-3.1-fast-generate-preview", "veo-3.1-lite-generate-001"
STANDARD = "veo-3.1-generate-preview"
STYLES_OF_AXE = "Applying inline style"
JOB = re.compile(r"/api/v1/video-jobs/[0-9a-f-]{36}$")
FAILED_REQUESTS = "Failed to load resource"  # Chromium's own line for each 4xx and 5xx


@pytest.fixture(scope="module")
def front_end():
    with serve_front_end() as server:
        yield server


@pytest.fixture(scope="module")
def studio(front_end):
    env = {
        "MOCK_SECONDS": "1",
        "CORS_ALLOWED_ORIGINS": front_end.origin,
        "SIGNUP_GRANT_TOKENS": "200",
        "JWT_SIGNING_KEY": JWT_KEY,
    }
    with Stack(server=SQLITE, env=env) as stack:
        front_end.studio_url = stack.url
        yield stack


@pytest.fixture
def account(studio):
    """Registers `name`; their client, which sees what the page has done."""

    def account(name: str) -> ApiClient:
        client = ApiClient(studio.url)
        client.register(name, PASSWORD)
        client.sign_in(name, PASSWORD)
        return client

    return account


@pytest.fixture
def visit(open_page, front_end, studio):
    """Opens the page and logs in as `name`."""

    def visit(name: str, **options: Any) -> Page:
        page = open_page(**options)
        page.goto(front_end.origin)
        log_in(page, name)
        return page

    return visit


def log_in(page: Page, name: str) -> None:
    page.get_by_label("Username", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()


def order(page: Page, prompt: str) -> Locator:
    """Orders a video; its card."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate Video").click()
    card = card_of(page, prompt)
    expect(card).to_be_visible()
    return card


def card_of(page: Page, prompt: str) -> Locator:
    heading = page.get_by_role("heading", name=prompt, exact=True)
    return page.get_by_role("article").filter(has=heading)


def picture(name: str = "first.png", color: str = "teal") -> Any:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), color).save(file, "PNG")
    return {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}


def options_of(page: Page, label: str) -> list[str]:
    return page.get_by_label(label, exact=True).locator("option").all_inner_texts()


def balance(client: ApiClient) -> int:
    return client.get("/api/v1/tokens").json()["availableTokens"]


def jobs_of(client: ApiClient) -> list[dict[str, Any]]:
    return client.get("/api/v1/video-jobs").json()["jobs"]


def cost(model: str, resolution: str, sound: bool = False) -> int:
    return price(model=model, resolution=resolution, seconds=8, sound=sound)


def expired(token: str) -> str:
    """The same access token, as it is after its last second."""
    header, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    signed = f"{header}.{_encoded(json.dumps(claims | {'exp': claims['iat'] - 1}).encode())}"
    signature = hmac.digest(JWT_KEY.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TestOrder:
    def test_with_an_image_is_followed_to_its_end_and_its_video_plays(self, visit, account, studio):
        alice = account("alice")
        page = visit("alice")
        button = page.get_by_role("button", name="Generate Video (50 tokens)")
        expect(button).to_have_accessible_description(re.compile("public monitor needs no login"))
        monitor = page.get_by_role("link", name="public monitor")
        assert monitor.get_attribute("href") == f"{studio.url}/video-monitor"
        page.get_by_label("Negative prompt").fill("people, text")
        page.get_by_label("Seed").fill("4294967295")
        expect(page.get_by_label("Reference images")).to_be_disabled()
        page.get_by_label("First frame").set_input_files(picture())
        preview = page.get_by_role("img", name="first.png")
        expect(preview).to_be_visible()
        assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
        card = order(page, "A boat drifts out of the harbour")
        expect(card.get_by_role("heading")).to_be_focused()
        expect(card).to_contain_text("seed 4294967295")
        expect(card.get_by_role("progressbar")).to_be_visible()
        expect(card.get_by_role("list", name="Log")).to_contain_text("📝 Job created")
        expect(card).to_contain_text("Video generation completed successfully!")
        expect(card.get_by_role("list", name="Log")).to_contain_text("☁️  Calling Google Veo API...")
        expect(page.locator("#tokens")).to_have_text("150 tokens")
        assert card.locator("video").evaluate(
            """async video => {
                video.muted = true;
                await video.play();
                while (!video.currentTime) await new Promise(next => setTimeout(next, 50));
                return video.currentTime > 0;
            }"""
        )
        [job] = jobs_of(alice)
        assert job["inputs"]["initialImage"] is True
        assert (job["mockMode"], job["status"]) == (True, "SUCCEEDED")
        assert (job["negativePrompt"], job["seed"]) == ("people, text", 4_294_967_295)

    def test_by_double_click_is_paid_once(self, visit, account):
        carl = account("carl")
        page = visit("carl")
        page.get_by_label("Prompt", exact=True).fill("A kite")
        page.get_by_role("button", name="Generate Video").dblclick()
        expect(card_of(page, "A kite")).to_be_visible()
        page.get_by_role("button", name="Generate Video").click()  # after the response
        expect(page.locator("#order .form-message")).to_contain_text("You were not charged again")
        assert (len(jobs_of(carl)), balance(carl)) == (1, 150)

    def test_whose_response_is_lost_is_sent_again_and_paid_once(self, visit, account):
        dora = account("dora")
        page = visit("dora", tolerate=FAILED_REQUESTS)
        keys = []

        def lose_the_first_response(route: Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            if len(keys) == 1:
                route.fetch()
                route.abort("connectionreset")
            else:
                route.continue_()

        page.route("**/api/v1/video-jobs", lose_the_first_response)
        order(page, "A lantern in the fog")
        assert len(keys) == 2
        assert len(set(keys)) == 1
        assert (len(jobs_of(dora)), balance(dora)) == (1, 150)

    def test_that_a_proxy_refuses_is_sent_once(self, visit, account, front_end):
        account("ella")
        page = visit("ella", tolerate=FAILED_REQUESTS)
        sent: list[str] = []

        def refuse(route: Route) -> None:
            sent.append(route.request.method)
            headers = {"Access-Control-Allow-Origin": front_end.origin}
            route.fulfill(
                status=413, content_type="text/html", body="<h1>413</h1>", headers=headers
            )

        page.route("**/api/v1/video-jobs", refuse)
        page.get_by_label("Prompt", exact=True).fill("A kite")
        page.get_by_role("button", name="Generate Video").click()
        message = page.locator("#order .form-message")
        expect(message).to_have_text("The request was refused (413).")
        page.wait_for_timeout(1_500)
        assert sent == ["POST"]

    def test_that_fails_or_is_cancelled_shows_why_and_the_refund(self, visit, account):
        account("fred")
        page = visit("fred")
        card = order(page, "[[fail:safety]] A kite")
        expect(card).to_contain_text("The video was held back by the provider's safety filters.")
        expect(card).to_contain_text("50 tokens were refunded.")
        expect(page.locator("#tokens")).to_have_text("200 tokens")
        card = order(page, "[[slow:60]] A comet")
        page.on("dialog", lambda dialog: dialog.accept())
        card.get_by_role("button", name="Cancel").click()
        expect(card.locator(".status")).to_have_text("Cancelled")
        expect(card.get_by_role("progressbar")).to_be_hidden()


class TestForm:
    def test_offers_only_what_the_model_accepts(self, visit, account):
        account("gina")
        page = visit("gina")
        assert options_of(page, "Length") == ["4 seconds", "6 seconds", "8 seconds"]
        page.get_by_label("Resolution").select_option("1080p")
        assert options_of(page, "Length") == ["8 seconds"]
        expect(page.get_by_label("Last frame")).to_be_hidden()
        page.get_by_label("First frame").set_input_files(picture())
        expect(page.get_by_label("Last frame")).to_be_visible()
        expect(page.get_by_label("Reference images")).to_be_disabled()
        page.get_by_role("button", name="Remove the first frame").click()
        page.get_by_label("Reference images").set_input_files(picture())
        expect(page.get_by_label("First frame")).to_be_disabled()
        assert options_of(page, "Aspect ratio") == ["16:9 (Landscape)"]
        page.get_by_label("Model").select_option(LITE)
        expect(page.get_by_label("Reference images")).to_be_disabled()
        expect(page.get_by_role("img", name="first.png")).to_be_hidden()
        assert options_of(page, "Aspect ratio") == ["16:9 (Landscape)", "9:16 (Portrait)"]

    def test_negative_prompt_gives_way_to_reference_images(self, visit, account):
        gunda = account("gunda")
        page = visit("gunda")
        negative = page.get_by_label("Negative prompt")
        page.get_by_label("Reference images").set_input_files(picture())
        expect(negative).to_be_disabled()
        expect(negative).to_have_accessible_description(re.compile("cannot be combined"))
        order(page, "A bear of that picture")
        [job] = jobs_of(gunda)
        assert (job["negativePrompt"], job["inputs"]["referenceImages"]) == (None, 1)
        page.get_by_role("button", name="Remove the reference images").click()
        expect(negative).to_be_enabled()

    def test_model_that_google_lacks_is_disabled_for_real_videos_only(
        self, open_page, front_end, account
    ):
        irma = account("irma")
        page = open_page(tolerate=FAILED_REQUESTS)

        def without_fast(route: Route) -> None:
            response = route.fetch()
            models = response.json()["models"]
            for model in models:
                model["available"] = model["id"] != FAST
            route.fulfill(response=response, json={"models": models})

        page.route("**/api/v1/video-models", without_fast)
        page.goto(front_end.origin)
        log_in(page, "irma")
        model = page.get_by_label("Model", exact=True)
        expect(model).to_have_value(FAST)
        order(page, "A sample of it")
        page.get_by_label("Sample video").uncheck()
        expect(model.locator(f"option[value='{FAST}']")).to_be_disabled()
        expect(model).to_have_value(STANDARD)
        expect(page.get_by_text("Google does not offer Veo 3.1 Fast (Preview)")).to_be_visible()
        page.get_by_label("Sample video").check()
        expect(model.locator(f"option[value='{FAST}']")).to_be_enabled()
        assert [job["model"] for job in jobs_of(irma)] == [FAST]

    def test_shows_a_400_at_its_field(self, visit, account):
        hugo = account("hugo")
        page = visit("hugo", tolerate=FAILED_REQUESTS)
        page.get_by_label("Prompt", exact=True).fill("A kite")
        page.get_by_label("Seed").fill("7.5")
        page.get_by_role("button", name="Generate Video").hover()
        page.mouse.down()  # the field has changed: its quote is refused before mouse.up
        expect(page.locator(".quote")).to_have_text(re.compile("Seed must be"))
        page.mouse.up()
        expect(page.get_by_label("Seed")).to_have_accessible_description(
            re.compile("Seed must be a whole number from 0 to 4294967295")
        )
        page.get_by_label("Seed").fill("")
        text: Any = {"name": "a.png", "mimeType": "image/png", "buffer": b"no image"}
        page.get_by_label("First frame").set_input_files(text)
        page.get_by_role("button", name="Generate Video").click()
        field = page.get_by_label("First frame")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(
            re.compile("Initial image must be a JPEG, PNG or WebP image")
        )
        expect(field).to_be_focused()
        screenshot(page, "front-end-400")
        assert jobs_of(hugo) == []
        page.get_by_role("button", name="Remove the first frame").click()
        expect(field).not_to_have_attribute("aria-invalid", "true")
        order(page, "A kite")

    def test_says_how_long_to_wait_when_too_many_jobs_are_active(self, visit, account):
        account("iris")
        page = visit("iris", tolerate=FAILED_REQUESTS)
        for name in ("one", "two", "three"):
            order(page, f"[[slow:60]] Kite {name}")
        page.get_by_label("Prompt", exact=True).fill("Kite four")
        page.get_by_role("button", name="Generate Video").click()
        message = page.locator("#order .form-message")
        expect(message).to_contain_text("Maximum 3 concurrent video jobs allowed.")
        expect(message).to_contain_text("Estimated wait:")


class TestSession:
    def test_renews_an_expired_access_token_once_for_all_polls(self, visit, account, front_end):
        account("jana")
        page = visit("jana", tolerate=FAILED_REQUESTS)
        for name in ("one", "two"):
            order(page, f"[[slow:5]] Kite {name}")
        token = json.loads(page.evaluate("sessionStorage['studio-session']"))["access"]

        def age(route: Route) -> None:
            headers = route.request.headers
            if headers.get("authorization") == f"Bearer {token}":
                headers |= {"authorization": f"Bearer {expired(token)}"}
            route.continue_(headers=headers)

        page.route(JOB, age)
        renewals: list[int] = []
        page.on(
            "response",
            lambda response: (
                renewals.append(response.status) if "/token/refresh" in response.url else None
            ),
        )
        page.reload()  # so that both polls begin together
        for name in ("one", "two"):
            expect(card_of(page, f"[[slow:5]] Kite {name}").locator("video")).to_be_visible()
        assert renewals == [200]

    def test_asks_for_a_login_when_it_ends_and_keeps_the_form(self, visit, account, studio):
        karl = account("karl")
        page = visit("karl", tolerate=FAILED_REQUESTS)
        page.get_by_label("Prompt", exact=True).fill("A long and careful prompt")
        activate = "UPDATE accounts_user SET is_active = %s WHERE username = 'karl'"
        studio.sql(activate, False)  # which ends all tokens at once
        page.get_by_role("button", name="Generate Video").click()
        expect(page.get_by_text("Your session has ended.")).to_be_visible()
        expect(page.get_by_label("Username", exact=True)).to_be_focused()
        studio.sql(activate, True)
        log_in(page, "karl")
        expect(page.get_by_label("Prompt", exact=True)).to_have_value("A long and careful prompt")
        page.get_by_role("button", name="Generate Video").click()
        expect(card_of(page, "A long and careful prompt")).to_be_visible()
        assert len(jobs_of(karl)) == 1

    def test_begins_once_the_service_answers(self, open_page, front_end, studio):
        page = open_page(tolerate=FAILED_REQUESTS)
        page.route("**/api/v1/video-models", lambda route: route.abort(), times=1)
        page.goto(front_end.origin)
        expect(page.get_by_text("The service cannot be reached.")).to_be_visible()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_label("Username", exact=True)).to_be_visible()
        expect(page.get_by_text("The service cannot be reached.")).to_be_hidden()

    def test_begins_with_a_new_account_and_shows_its_errors(self, open_page, front_end, studio):
        page = open_page(tolerate=FAILED_REQUESTS)
        page.goto(front_end.origin)
        page.get_by_text("Create an account").click()
        page.get_by_label("New username").fill("lena")
        page.get_by_label("E-mail address").fill("lena@example.com")
        page.get_by_label("New password").fill("12345678")
        page.get_by_role("button", name="Create account").click()
        expect(page.get_by_label("New password")).to_have_accessible_description(
            re.compile("too common. This password is entirely numeric")
        )
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.locator("#tokens")).to_have_text("200 tokens")
        page.get_by_label("Prompt", exact=True).fill("Nobody else reads this")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Prompt", exact=True)).to_be_hidden()
        log_in(page, "lena")
        expect(page.get_by_label("Prompt", exact=True)).to_have_value("")

    def test_begins_with_a_pasted_access_token(self, open_page, front_end, account):
        mona = account("mona")
        page = open_page()
        page.goto(front_end.origin)
        page.get_by_text("Use an access token").click()
        token = mona.headers["Authorization"].removeprefix("Bearer ")
        page.get_by_label("Access token").fill(token)
        page.get_by_role("button", name="Use token").click()
        expect(page.locator("#tokens")).to_have_text("200 tokens")


class TestPolling:
    def test_survives_a_restart_of_the_server(self, visit, account, studio):
        account("nora")
        page = visit("nora", tolerate=FAILED_REQUESTS)
        card = order(page, "[[slow:12]] A heron on one leg")
        expect(card.locator(".status")).to_have_text("Running")
        [web] = [process for log, process in studio.started.items() if log.name.startswith("web")]
        studio.kill(web.pid, signal.SIGTERM)
        web.wait()
        expect(card).to_contain_text("The service cannot be reached. The page keeps trying")
        screenshot(page, "front-end-restart")
        studio.restart_ended()
        expect(card.locator("video")).to_be_visible(timeout=60_000)
        expect(card.locator(".trouble")).to_be_empty()

    def test_survives_an_html_page_of_a_proxy(self, visit, account, front_end):
        account("olga")
        page = visit("olga", tolerate=FAILED_REQUESTS)
        page.route(
            JOB,
            lambda route: route.fulfill(
                status=502,
                content_type="text/html",
                body="<h1>Bad Gateway</h1>",
                headers={"Access-Control-Allow-Origin": front_end.origin},
            ),
            times=1,
        )
        card = order(page, "An owl")
        expect(card).to_contain_text("The service is not available right now (502).")
        expect(card.locator("video")).to_be_visible()
        expect(card.locator(".trouble")).to_be_empty()

    def test_sends_the_etag_and_waits_as_long_as_the_service_asks(self, visit, account):
        account("paul")
        page = visit("paul")
        tags: list[str | None] = []

        def answer(route: Route) -> None:
            tags.append(route.request.headers.get("if-none-match"))
            response = route.fetch()
            headers = response.headers | {"retry-after": "1"}
            if len(tags) == 2:  # nothing new
                route.fulfill(status=304, headers=headers)
            else:
                route.fulfill(response=response, headers=headers)

        page.route(JOB, answer)
        card = order(page, "[[slow:60]] A well at noon")
        page.wait_for_timeout(6_000)
        assert len(tags) >= 4  # it would be two if each wait took three seconds
        assert tags[0] is None
        assert tags[1] == tags[2] != tags[3]
        expect(card.locator(".trouble")).to_be_empty()

    def test_ends_when_the_job_was_deleted_elsewhere_and_goes_on_after_a_reload(
        self, visit, account
    ):
        quin = account("quin")
        page = visit("quin", tolerate=FAILED_REQUESTS)
        card = order(page, "[[slow:60]] A sundial")
        quin.delete(f"/api/v1/video-jobs/{card.get_attribute('data-job')}")
        expect(card.locator(".trouble")).to_have_text("Not found.")
        order(page, "[[slow:3]] A paper boat")
        page.reload()
        expect(card_of(page, "[[slow:3]] A paper boat").locator("video")).to_be_visible()


class TestPrices:
    def test_cost_of_each_choice_is_shown_before_the_order(self, open_page):
        env = {"VIDEO_PRICES": json.dumps(PRICES), "SIGNUP_GRANT_TOKENS": "100"}
        with (
            serve_front_end() as front_end,
            Stack(
                server=SQLITE,
                clusters=0,
                env=env | {"CORS_ALLOWED_ORIGINS": front_end.origin},
            ) as stack,
        ):
            front_end.studio_url = stack.url
            ApiClient(stack.url).register("bill", PASSWORD)
            page = open_page()
            page.goto(front_end.origin)
            log_in(page, "bill")
            button = page.locator("#order [type=submit]")
            expect(button).to_have_text(f"Generate Video ({cost(FAST, '720p')} tokens)")
            page.get_by_label("With sound").check()
            expect(button).to_have_text(f"Generate Video ({cost(FAST, '720p', True)} tokens)")
            expect(page.locator(".quote")).to_be_empty()
            page.get_by_label("Resolution").select_option("1080p")
            page.get_by_label("Model", exact=True).select_option(STANDARD)
            much = cost(STANDARD, "1080p", True)
            expect(button).to_have_text(f"Generate Video ({much} tokens)")
            sentence = f"This video costs {much} tokens, but you have 100."
            expect(page.locator(".quote")).to_have_text(sentence)
            expect(button).to_have_accessible_description(re.compile(re.escape(sentence)))


class TestStudioClient:
    def test_takes_the_place_of_the_guides_class(self, open_page, front_end, studio, account):
        tina = account("tina")
        page = open_page()
        page.goto(front_end.origin)
        token = tina.headers["Authorization"].removeprefix("Bearer ")
        ended = page.evaluate(
            """async ([base, token, order]) => {
                const { StudioClient } = await import('./studio-client.js');
                const client = new StudioClient(base, token);
                const job = await client.createJob(order);
                const ended = await new Promise(done => client.pollJob(job.id, update => {
                    if (update.status === 'SUCCEEDED') done(update);
                }));
                const before = await client.listJobs('SUCCEEDED', 10);
                await client.deleteJob(job.id);
                return [job.id === ended.id, before.total, (await client.listJobs()).total];
            }""",
            [f"{studio.url}/api/v1", token, {**MOCK_JOB, "prompt": "A sunset over mountains"}],
        )
        assert ended == [True, 1, 0]


@pytest.fixture(scope="module")
def sam(studio):
    """Has a video, a failure, and a job that runs."""
    client = ApiClient(studio.url)
    client.register("sam", PASSWORD)
    client.sign_in("sam", PASSWORD)
    client.wait(client.create(prompt="A lighthouse at dusk, waves rolling in").json()["id"])
    client.wait(client.create(prompt="[[fail:safety]] A robbery").json()["id"])
    client.create(prompt="[[slow:200]] Two foxes play in fresh snow")
    return client


class TestLooks:
    def test_page_is_accessible_and_fits(self, open_page, front_end, sam):
        page = open_page(calm=True, tolerate=STYLES_OF_AXE)
        page.goto(front_end.origin)
        expect(page.get_by_label("Username", exact=True)).to_be_visible()
        assert problems(page) == []
        log_in(page, "sam")
        page.get_by_label("First frame").set_input_files(picture())
        expect(page.locator(".status").first).to_have_text("Running")
        screenshot(page, "front-end")
        assert problems(page) == []
