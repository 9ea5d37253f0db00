"""The monitor in a browser: it updates itself without disturbing what its viewers do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import MIDDLE, NARROW, screenshot
from tests.client import ApiClient
from tests.run import SQLITE
from tests.stack import Stack, until

pytestmark = [pytest.mark.live, pytest.mark.once]

MONITOR = "/video-monitor"
LIMITS = {"VIDEO_MAX_ACTIVE_JOBS": "100", "VEO_MAX_IN_FLIGHT": "100"}
LONG = "[[slow:600]]"  # runs as long as the tests do
CUT_OFF = "ERR_|htmx|Failed to load"  # messages in the console when the server is gone


@pytest.fixture(scope="module")
def studio() -> Iterator[Stack]:
    """A job is always running, so that pages poll every two seconds."""
    with Stack(server=SQLITE, env=LIMITS) as stack:
        order(stack.user("bob", tokens=50), f"A cat conducts an orchestra {LONG}")
        yield stack


@pytest.fixture(scope="module")
def alice(studio):
    return studio.user("alice", tokens=20_000)


@pytest.fixture(scope="module")
def lighthouse(alice):
    """A finished job."""
    return make(alice, "A lighthouse at dusk")


@pytest.fixture(scope="module")
def many(alice):
    """More jobs than a page holds, all cancelled."""
    for number in range(26):
        cancel(alice, order(alice, f"Cloud number {number} {LONG}"))


@pytest.fixture
def show(studio, open_page):
    """`show()` is a page of the monitor; options go to `open_page`."""

    def show(path: str = MONITOR, **options: Any) -> Page:
        page = open_page(base_url=studio.url, **options)
        page.goto(path)
        return page

    return show


def order(client: ApiClient, prompt: str, **fields: Any) -> str:
    answer = client.create(prompt=prompt, **fields)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def make(client: ApiClient, prompt: str, **fields: Any) -> str:
    id = order(client, f"{prompt} [[slow:0]]", **fields)
    assert client.wait(id)["status"] == "SUCCEEDED"
    return id


def cancel(client: ApiClient, id: str) -> None:
    assert client.post(f"/api/v1/video-jobs/{id}/cancel").status_code == 200


def card(page: Page, id: str) -> Locator:
    return page.locator(f"#job-{id}")


def chip(page: Page, id: str) -> Locator:
    return card(page, id).locator(".chip")


def play(page: Page, id: str) -> Locator:
    """Plays the card's video of eight seconds slowly, and records whatever interrupts it."""
    video = card(page, id).locator("video")
    video.evaluate("""async video => {
        window.first = video;
        window.disturbed = [];
        video.muted = true;
        video.playbackRate = 0.4;
        await video.play();
        for (const event of ['pause', 'emptied', 'loadstart', 'seeking', 'error'])
            video.addEventListener(event, () => video === first && disturbed.push(event));
    }""")
    return video


def poll_now(page: Page) -> Any:
    """Makes the page poll; returns the answer."""
    with page.expect_response(is_poll) as answer:
        page.evaluate("window.dispatchEvent(new Event('online'))")
    return answer.value


def is_poll(response: Any) -> bool:
    return response.request.headers.get("hx-request") == "true"


@contextmanager
def not_reloaded(page: Page) -> Iterator[None]:
    """The page is not loaded again inside the block."""
    loads: list[str] = []
    page.on("framenavigated", lambda frame: loads.append(frame.url))
    page.evaluate("window.mark = 'here'")
    yield
    assert not loads
    assert page.evaluate("window.mark") == "here"


class TestCard:
    def test_job_goes_from_waiting_to_done_while_another_video_keeps_playing(
        self, show, alice, lighthouse
    ):
        page = show()
        expect(page.get_by_role("status")).to_have_text("Live")
        with not_reloaded(page):
            video = play(page, lighthouse)
            id = order(alice, "Two foxes in fresh snow [[slow:4]]")
            seen = [video.evaluate("video => video.currentTime")]
            place = video.bounding_box()
            expect(chip(page, id)).to_have_text("RUNNING")
            seen.append(video.evaluate("video => video.currentTime"))
            waiting = page.get_by_role("button", name="1 new")
            expect(waiting).to_be_visible()
            expect(card(page, id)).to_have_count(0)
            assert video.bounding_box() == pytest.approx(place, abs=1)
            waiting.click()
            expect(chip(page, id)).to_have_text("SUCCEEDED")
            expect(waiting).to_be_hidden()
            seen.append(video.evaluate("video => video.currentTime"))
            assert seen == sorted(set(seen))
            assert page.evaluate("disturbed") == []
            assert video.evaluate("video => video === first && !video.paused")
            play(page, id)
            assert until(lambda: page.evaluate("first.currentTime > 0.2"), seconds=5)
            assert page.evaluate("first.closest('.card').id") == f"job-{id}"

    @pytest.mark.parametrize("watch", ["hover", "focus"])
    def test_card_that_is_watched_stays_and_another_one_waits(self, show, alice, lighthouse, watch):
        page = show(f"{MONITOR}?status=SUCCEEDED")
        link = card(page, lighthouse).get_by_role("link").first
        getattr(link, watch)()
        place = link.bounding_box()
        id = make(alice, "A kite above the dunes")
        waiting = page.get_by_role("button", name="1 new")
        expect(waiting).to_be_visible()
        assert link.bounding_box() == pytest.approx(place, abs=1)
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        expect(card(page, id)).to_be_visible()
        expect(waiting).to_be_hidden()

    @pytest.mark.parametrize("pressed", ["Enter", "click"])
    def test_waiting_card_is_announced_shown_and_focused(self, show, alice, many, pressed):
        page = show(width=NARROW)
        page.locator(".card").nth(9).get_by_role("link").first.focus()
        id = make(alice, "A ferry leaves the pier")
        waiting = page.get_by_role("button", name="1 new")
        expect(waiting).to_be_visible()
        expect(page.locator("#news")).to_have_text("1 new job.")
        waiting.click() if pressed == "click" else waiting.press(pressed)
        expect(card(page, id).get_by_role("link").first).to_be_focused()
        expect(card(page, id)).to_be_in_viewport(ratio=0.9)
        expect(waiting).to_be_hidden()

    def test_button_for_waiting_cards_is_before_the_cards(self, show, alice, lighthouse):
        page = show(f"{MONITOR}?status=SUCCEEDED")
        card(page, lighthouse).get_by_role("link").first.hover()
        make(alice, "A tram climbs the hill")
        waiting = page.get_by_role("button", name="1 new")
        waiting.focus()
        next_ = "document.activeElement.closest('.card, footer')?.className"
        for _ in range(20):
            page.keyboard.press("Tab")
            if reached := page.evaluate(next_):
                break
        assert reached == "card"

    def test_waiting_job_is_shown_before_it_runs(self, show, studio, alice):
        page = show()
        with not_reloaded(page), without_workers(studio):
            id = order(alice, f"A paper boat {LONG}")
            expect(chip(page, id)).to_have_text("PENDING")
            expect(card(page, id).get_by_role("progressbar")).to_have_attribute("value", "0")
        expect(chip(page, id)).to_have_text("RUNNING", timeout=30_000)
        cancel(alice, id)
        expect(chip(page, id)).to_have_text("CANCELLED")

    def test_progress_bar_moves(self, show, alice):
        id = order(alice, "A slow pan across a kitchen [[slow:20]]")
        page = show(f"{MONITOR}/{id}")
        bar = page.get_by_role("progressbar", name="Progress")
        values: set[int] = set()

        def moved() -> bool:
            page.wait_for_timeout(300)
            values.add(int(bar.get_attribute("value") or 0))
            return len(values) >= 3

        with not_reloaded(page):
            assert until(moved, seconds=30), values
        cancel(alice, id)

    def test_missing_video_is_reported(self, show, studio, alice):
        id = make(alice, "A violin maker at work")
        change = "UPDATE jobs_videojob SET video_url = %s, poster_url = %s WHERE id = %s"
        dead = "/media/ai_studio/videos/00000000-0000-4000-8000-000000000000"
        studio.sql(change, f"{dead}.mp4", f"{dead}.jpg", id.replace("-", ""))
        page = show(f"{MONITOR}/{id}", tolerate="404")
        expect(page.get_by_text("This video cannot be played")).to_be_visible()
        assert alice.delete(f"/api/v1/video-jobs/{id}").status_code == 204

    def test_prompt_is_shown_as_text(self, show, alice):
        words = "<script>alert(1)</script> {{ 7 }} \u202egnihsif"
        id = order(alice, f"{words} {LONG}")
        cancel(alice, id)
        page = show()
        expect(card(page, id).get_by_role("link").first).to_contain_text(words)
        expect(chip(page, id)).to_have_text("CANCELLED")


@contextmanager
def without_workers(studio: Stack) -> Iterator[None]:
    [cluster] = [process for log, process in studio.started.items() if "cluster" in log.name]
    cluster.terminate()
    cluster.wait()
    try:
        yield
    finally:
        studio.restart_ended()


class TestLog:
    def test_open_log_stays_open_and_grows_until_the_end_is_read_out(self, show, alice):
        page = show()
        id = order(alice, "Fog lifts off a lake [[slow:12]]")
        log = card(page, id).locator("details")
        log.locator("summary").click()
        before = log.get_by_role("listitem").count()
        expect(chip(page, id)).to_have_text("SUCCEEDED")
        expect(page.locator("#news")).to_have_text("SUCCEEDED: Fog lifts off a lake [[slow:12]].")
        expect(log.get_by_text("completed").first).to_be_visible()
        assert log.get_by_role("listitem").count() > before

    def test_log_of_a_thousand_lines_is_short_on_a_card_and_complete_on_its_page(
        self, show, studio, alice
    ):
        id = order(alice, f"A night train {LONG}")
        cancel(alice, id)
        line = (
            "INSERT INTO jobs_jobevent (job_id, created_at, level, message, internal, detail)"
            " SELECT job_id, created_at, 'info', 'Once more', %s, ''"
            " FROM jobs_jobevent WHERE job_id = %s"
        )
        while lines(studio, id) < 1000:
            studio.sql(line, False, id.replace("-", ""))
        page = show()
        card(page, id).locator("summary").click()
        assert card(page, id).get_by_text("Once more").count() == 20
        card(page, id).get_by_text("earlier lines").click()
        expect(page).to_have_url(f"{studio.url}{MONITOR}/{id}")
        assert page.locator(".log li").count() >= 1000


def lines(studio: Stack, id: str) -> int:
    query = "SELECT count(*) FROM jobs_jobevent WHERE job_id = %s"
    return studio.sql(query, id.replace("-", ""))[0][0]


class TestRows:
    def test_ten_active_jobs_and_the_first_videos_are_seen_at_once(self, show, alice, lighthouse):
        ids = [order(alice, f"A loom weaves cloud {n} {LONG}") for n in range(10)]
        page = show(height=800)
        expect(page.locator(".row[data-status=RUNNING]")).to_have_count(10)
        for width, film_ends_by in ((MIDDLE, 800), (NARROW, 2 * 844)):
            page.set_viewport_size({"width": width, "height": 800 if width == MIDDLE else 844})
            box = page.locator(".card .film").first.bounding_box()
            assert box["y"] + box["height"] <= film_ends_by
            assert page.locator(".row .prompt").first.bounding_box()["width"] > 270
        log = card(page, ids[0]).locator("details")
        log.locator("summary").click()
        expect(log.get_by_role("listitem").first).to_be_visible()
        for id in ids:
            cancel(alice, id)

    def test_first_videos_are_seen_whole_in_an_outage(self, show, studio, alice, lighthouse):
        ids = [order(alice, f"A loom waits for thread {n} {LONG}") for n in range(11)]
        with without_workers(studio):
            page = show(height=800)
            expect(page.locator(".sentence")).to_contain_text("have not responded since")
            expect(page.get_by_role("link", name="All RUNNING jobs")).to_be_visible()
            box = page.locator(".card .film").first.bounding_box()
            assert box["y"] + box["height"] <= 800
        for id in ids:
            cancel(alice, id)

    def test_focus_goes_from_a_row_to_the_card_of_its_job(self, show, alice):
        id = order(alice, "A loom stops [[slow:3]]")
        page = show()
        card(page, id).get_by_role("link").focus()
        expect(chip(page, id)).to_have_text("SUCCEEDED")
        expect(card(page, id).get_by_role("link")).to_be_focused()


class TestFigures:
    LARGE = """all => all.forEach((each, n) => {
        each.textContent = [
            "1,234,567", "12,345", "7,654,321", "100 %", "12 min 34 s", "23 h 59 min"
        ][n];
    })"""

    @pytest.mark.parametrize("width", [NARROW, 1024, MIDDLE])
    @pytest.mark.parametrize("view", ["", "?view=wall"])
    def test_large_figures_fit_into_their_columns(self, show, view, width):
        page = show(MONITOR + view, width=width)
        figures = page.locator(".figures dd")
        figures.evaluate_all(self.LARGE)
        too_wide = "all => all.some(each => each.scrollWidth > each.clientWidth)"
        assert not figures.evaluate_all(too_wide)


class TestWall:
    def test_newest_video_plays_muted_and_nothing_can_be_clicked(self, show, lighthouse):
        page = show(f"{MONITOR}?view=wall")
        video = page.locator("video").first
        assert until(lambda: video.evaluate("video => video.muted && video.currentTime > 0"), 10)
        assert page.locator("a:not(.skip), button:visible, summary, input").count() == 0
        drifts = "document.getElementById('live').getAnimations().length"
        assert page.evaluate(drifts) == 1

    def test_status_is_as_large_as_the_prompt_beside_it_on_a_large_screen(self, show, studio):
        row = show(f"{MONITOR}?view=wall", width=3840, height=2160).locator(".row").first
        size = "element => parseFloat(getComputedStyle(element).fontSize)"
        chip, prompt = (row.locator(each).evaluate(size) for each in (".chip", ".prompt"))
        assert chip > 0.7 * prompt


class TestPage:
    def test_page_keeps_its_scroll_position(self, show, alice, many):
        page = show(width=NARROW)
        watched = page.locator(".card").nth(9)
        watched.scroll_into_view_if_needed()
        page.mouse.wheel(0, 60)
        page.wait_for_timeout(300)
        name, at = watched.get_attribute("id"), watched.bounding_box()
        with not_reloaded(page):
            id = order(alice, f"An astronaut waters tomatoes {LONG}")
            expect(card(page, id)).to_be_attached()
        assert page.locator(f"#{name}").bounding_box()["y"] == pytest.approx(at["y"], abs=3)
        cancel(alice, id)

    def test_filter_and_paging(self, show, many, lighthouse):
        page = show()
        page.get_by_role("link", name="CANCELLED").click()
        page.wait_for_url(f"{page.url.split('?')[0]}?status=CANCELLED")
        expect(page.locator("#filter-CANCELLED")).to_have_attribute("aria-current", "true")
        assert {*page.locator(".card .chip").all_inner_texts()} == {"CANCELLED"}
        first = page.locator(".card").first.get_attribute("id")
        page.get_by_role("link", name="Older").click()
        expect(page.get_by_text("Page 2 of")).to_be_visible()
        assert "status=CANCELLED&page=2" in page.url
        assert page.locator(f"#{first}").count() == 0
        page.get_by_role("link", name="Newer").click()
        expect(page.locator(f"#{first}")).to_be_visible()

    def test_card_links_to_the_page_of_its_job_whose_video_seeks(self, show, studio, lighthouse):
        page = show("/video-monitor?status=SUCCEEDED")
        card(page, lighthouse).get_by_role("link").first.click()
        expect(page).to_have_url(f"{studio.url}{MONITOR}/{lighthouse}")
        expect(page.get_by_role("heading", name="A lighthouse at dusk")).to_be_visible()
        expect(page).to_have_title("A lighthouse at dusk [[slow:0]] · Video Studio")
        video = page.locator("video")
        with page.expect_response(lambda each: each.url.endswith(".mp4")) as answer:
            video.evaluate("""async video => {
                video.muted = true;
                await video.play();
                video.pause();
                video.currentTime = 6;
                await new Promise(done => video.onseeked = done);
            }""")
        assert answer.value.status == 206
        assert video.evaluate("video => video.currentTime") == pytest.approx(6, abs=0.1)

    def test_page_of_a_deleted_job_says_so(self, show, alice):
        id = order(alice, f"A wedding in a library {LONG}")
        page = show(f"{MONITOR}/{id}", tolerate="404")
        assert alice.delete(f"/api/v1/video-jobs/{id}").status_code == 204
        expect(page.get_by_text("Nothing found on the monitor")).to_be_visible()

    def test_page_is_usable_by_keyboard(self, show, lighthouse):
        page = show()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "filter-SUCCEEDED":
                break
        poll_now(page)
        expect(page.locator("#filter-SUCCEEDED")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{page.url.split('?')[0]}?status=SUCCEEDED")

    def test_prompts_are_hidden_by_a_setting(self, studio, open_page, lighthouse):
        studio.env["MONITOR_SHOW_PROMPTS"] = "false"
        web = studio.start_web()
        try:
            page = open_page(base_url=studio.urls.pop())
            for path in (f"{MONITOR}?status=SUCCEEDED", f"{MONITOR}/{lighthouse}"):
                page.goto(path)
                expect(card(page, lighthouse)).to_contain_text("A video")
                assert "lighthouse" not in page.content()
            page.close()  # before its server
        finally:
            del studio.env["MONITOR_SHOW_PROMPTS"]
            web.terminate()
            web.wait()
            log = next(log for log, process in studio.started.items() if process is web)
            del studio.started[log]

    def test_page_works_without_javascript(self, show, alice):
        id = order(alice, "A hot-air balloon of maps [[slow:3]]")
        page = show(javascript=False)
        # Playwright's switch leaves <noscript> unread: its order is looked at, not obeyed.
        assert '<noscript><meta http-equiv="refresh" content="10">' in page.content()
        alice.wait(id)
        page.wait_for_timeout(2_000)
        page.reload()
        expect(chip(page, id)).to_have_text("SUCCEEDED")
        page.get_by_role("link", name="SUCCEEDED", exact=False).first.click()
        expect(page.locator("#filter-SUCCEEDED")).to_have_attribute("aria-current", "true")
        card(page, id).locator("summary").click()
        expect(card(page, id).get_by_text("completed").first).to_be_visible()


class TestPolling:
    def test_poll_without_changes_has_no_content(self, show, lighthouse):
        page = show(f"{MONITOR}/{lighthouse}")
        answers = [poll_now(page) for _ in range(4)]
        assert [answer.status for answer in answers] == [304] * 4
        assert {answer.headers.get("content-length", "0") for answer in answers} == {"0"}

    def test_hidden_tab_does_not_poll(self, show, alice):
        id = order(alice, f"Rain on a window {LONG}")
        page = show(f"{MONITOR}/{id}")
        polls: list[Any] = []
        page.on("response", lambda response: polls.extend([response] * is_poll(response)))
        page.wait_for_timeout(3_000)
        assert len(polls) in (1, 2)
        hide(page, True)
        page.wait_for_timeout(1_000)  # one may have been on its way
        polls.clear()
        page.wait_for_timeout(4_000)
        assert not polls
        with page.expect_response(is_poll, timeout=1_500):
            hide(page, False)
        cancel(alice, id)

    def test_lost_connection_is_shown_and_restored(self, show, studio):
        page = show(tolerate=CUT_OFF)
        state = page.get_by_role("status")
        shown = page.locator(".card").count()
        with not_reloaded(page):
            web = next(process for log, process in studio.started.items() if "web" in log.name)
            web.terminate()
            web.wait()
            try:
                expect(state).to_contain_text("No connection since")
                assert page.locator(".card").count() == shown
            finally:
                studio.restart_ended()
            expect(state).to_have_text("Live again", timeout=30_000)


def hide(page: Page, hidden: bool) -> None:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


class TestAccessibility:
    def test_nothing_moves_with_reduced_motion(self, show):
        moving = "document.getAnimations().length"
        assert show().evaluate(moving) > 0
        assert show(calm=True).evaluate(moving) == 0

    def test_screen_readers_read_only_news(self, show, lighthouse):
        page = show()
        spoken = page.locator("[aria-live], [role=status], [role=alert]")
        assert spoken.evaluate_all("all => all.map(each => each.id)") == ["link", "news"]
        poll_now(page)
        expect(page.locator("#news")).to_be_empty()


class TestWatchedCard:
    def test_watched_card_stays_while_it_is_only_on_the_next_page(self, show, alice, many):
        page = show(f"{MONITOR}?status=CANCELLED", tolerate="404")
        last = page.locator(".card").last
        last.get_by_role("link").first.focus()
        prompt = last.locator(".prompt").inner_text()
        place = last.bounding_box()
        cancel(alice, order(alice, f"A heron takes off {LONG}"))
        expect(page.get_by_role("button", name="1 new")).to_be_visible()
        page.wait_for_timeout(5_000)  # two more answers
        expect(last.get_by_text(prompt)).to_be_visible()
        assert last.bounding_box() == pytest.approx(place, abs=1)
        id = (last.get_attribute("id") or "").removeprefix("job-")
        assert alice.patch(f"/api/v1/video-jobs/{id}", json={"private": True}).ok
        expect(page.get_by_text(prompt)).to_have_count(0, timeout=5_000)


class TestPlayingVideo:
    def test_private_video_that_plays_in_a_hidden_tab_leaves_within_five_seconds(self, show, alice):
        """Although the tab is hidden, viewers hear it, or see it as a picture-in-picture."""
        id = make(alice, "A private stork")
        page = show(f"{MONITOR}?status=SUCCEEDED", tolerate="404")
        play(page, id)
        hide(page, True)
        assert alice.patch(f"/api/v1/video-jobs/{id}", json={"private": True}).ok
        expect(card(page, id).locator("video")).to_have_count(0, timeout=5_000)

    def test_video_that_is_no_longer_public_leaves_within_five_seconds(self, show, studio, alice):
        """One whose job is only too old for the list plays on until it is paused."""
        prompts = ("A private otter", "A deleted otter", "A heron", "A removed owl", "A lynx")
        private, deleted, removed, removed_and_old, old = ids = [make(alice, p) for p in prompts]
        page = show(tolerate="404")
        for id in ids:
            video = play(page, id)
        for id in (removed_and_old, old):
            age(studio, id)
        with not_reloaded(page):
            assert alice.patch(f"/api/v1/video-jobs/{private}", json={"private": True}).ok
            assert alice.delete(f"/api/v1/video-jobs/{deleted}").status_code == 204
            for id in (removed, removed_and_old):
                assert alice.delete(f"/api/v1/video-jobs/{id}/video").status_code == 200
            videos = ", ".join(f"#job-{id} video" for id in ids if id != old)
            expect(page.locator(videos)).to_have_count(0, timeout=5_000)
        for prompt in ("A private otter", "A deleted otter", "A removed owl"):
            expect(page.get_by_text(prompt)).to_have_count(0)
        expect(card(page, removed).get_by_text("Video removed", exact=True)).to_be_visible()
        screenshot(page, "monitor-removed", whole=False)
        page.wait_for_timeout(5_000)
        assert video.evaluate("video => video === first && !video.paused")
        assert page.evaluate("disturbed") == []
        expect(card(page, old).get_by_text("A lynx")).to_be_visible()
        video.evaluate("video => video.pause()")
        expect(card(page, old)).to_have_count(0)


def age(studio: Stack, id: str) -> None:
    """The job ended two days ago."""
    change = (
        "UPDATE jobs_videojob SET created_at = datetime(created_at, '-2 days'),"
        " completed_at = datetime(completed_at, '-2 days') WHERE id = %s"
    )
    studio.sql(change, id.replace("-", ""))
