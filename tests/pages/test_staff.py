"""The staff's pages in a browser: from a customer's e-mail to the refund, and each action."""

import base64
import csv
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django_otp.oath import totp
from playwright.sync_api import Page, expect

from tests.browser import MIDDLE, NARROW, screenshot
from tests.pages.staff_studio import PASSWORD, open_studio

pytestmark = [pytest.mark.live, pytest.mark.once]

LIST = "/admin/jobs/videojob/"
BLACK_FRAME = "A ballroom of paper dancers, one of them catches fire"
REFUSED = r"Failed to load resource: .* (403|429)"
INK = """canvas => {
    const { width, height } = canvas;
    return canvas.getContext("2d").getImageData(0, 0, width, height).data.some(Boolean);
}"""


@pytest.fixture(scope="module")
def studio():
    with open_studio(jobs=160, TRUSTED_PROXIES="1", STAFF_REFUND_DAILY_TOKENS="100") as studio:
        yield studio


@pytest.fixture(scope="module")
def cookies():
    """Who has logged in before: a password's check takes a second."""
    return {}


@pytest.fixture
def enter(studio, cookies, open_page):
    """`enter("sam")` is his page of the list, logged in; options go to `open_page`."""

    def enter(name: str, **options: Any) -> Page:
        page = open_page(base_url=studio.url, storage_state=cookies.get(name), **options)
        page.goto(LIST)
        if name not in cookies:
            log_in(page, name)
            expect(page.get_by_role("heading", name="Video jobs")).to_be_visible()
            cookies[name] = page.context.storage_state()
        return page

    return enter


def log_in(page: Page, name: str, password: str = PASSWORD, code: str = "") -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(password)
    if code:
        page.get_by_label("Code from your phone").fill(code)
    with page.expect_navigation():
        page.get_by_role("button", name="Log in").click()


def find(page: Page, words: str) -> Any:
    """The rows of the list in which the words of a mail are found, by the search at its top."""
    page.get_by_role("navigation", name="Places").get_by_role("link", name="Jobs").click()
    page.wait_for_url("**/admin/jobs/videojob/")
    page.locator("#searchbar").fill(words)
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile(r"[?]q=|/change/"))
    return page.locator("#result_list tbody tr")


def open_job(page: Page, words: str) -> str:
    """The page of the newest job found, and its id. A search with one result leads to it."""
    rows = find(page, words)
    page.wait_for_load_state()
    if rows.count():
        rows.first.locator("th a").click()
    return page.locator("h1 .id").inner_text()


def open_user(page: Page, name: str) -> None:
    page.goto(f"/admin/accounts/user/?q={name}")
    expect(page).to_have_url(re.compile("/change/"))


def choose(page: Page, name: str, *, exact: bool = True) -> None:
    with page.expect_navigation():
        page.locator(".action-buttons").get_by_role("link", name=name, exact=exact).click()


def send(page: Page, button: str, reason: str) -> None:
    page.get_by_label("Reason").fill(reason)
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def cells(page: Page, caption: str) -> list[str]:
    """The first row of the table that has this caption."""
    return (
        page.locator("table", has_text=caption)
        .locator("tbody tr")
        .first.locator("td")
        .all_inner_texts()
    )


class TestCustomerMail:
    """maria: the video of the paper dancers is a black frame, and you took my tokens."""

    def test_words_of_the_mail_find_the_job(self, enter):
        page = enter("sam")
        for words in ("maria@example.com", "maria ballroom"):
            rows = find(page, words)
            expect(rows.filter(has_text="paper dancers")).to_have_count(1)
            expect(rows.first).to_contain_text("maria@example.com")
        open_job(page, "paper dancers fire")  # the only result
        expect(page.locator("blockquote.prompt").first).to_contain_text("paper dancers")

    def test_job_is_refunded_once_and_with_a_reason(self, enter):
        page = enter("sam")
        job = open_job(page, "paper dancers")
        find(page, job[:8])
        expect(page.locator("h1 .id")).to_have_text(job)

        open_job(page, job[:13])
        expect(page.locator(".story")).to_contain_text("50 tokens were charged and not refunded")
        timeline = page.get_by_role("region", name="Timeline").get_by_role("listitem")
        expect(timeline.filter(has_text="Video generation completed")).to_be_visible()
        failed_step = timeline.filter(has_text="503 UNAVAILABLE")
        expect(failed_step.get_by_text("internal", exact=True)).to_be_visible()
        expect(timeline.filter(has_text="Charge -50")).not_to_contain_text("internal")
        lasts = "video => video.play().then(() => video.duration)"
        assert page.locator("video").evaluate(lasts) == pytest.approx(8, abs=0.2)
        screenshot(page, "staff-job")

        choose(page, "Refund")
        name, before, change, after = cells(page, "Balances")
        assert (name, change) == ("maria", "+50")
        assert number(after) == number(before) + 50
        screenshot(page, "staff-refund")
        page.get_by_role("button", name="Refund").click()
        expect(page).to_have_url(re.compile("/refund/"))  # the browser itself asks for a reason
        send(page, "Refund", "   ")
        expect(page.get_by_text("This field is required.")).to_be_visible()
        send(page, "Refund", "The video was nothing but a black frame")
        expect(page.locator(".messagelist")).to_have_text(f"Job {job}: 50 tokens refunded.")
        expect(page.locator(".story")).to_contain_text("The 50 tokens charged were refunded.")
        expect(timeline.filter(has_text="Refund +50")).to_contain_text("a black frame")
        expect(page.locator(".job-head")).to_contain_text(f"has {after} now")
        expect(page.locator(".action-buttons").get_by_role("link", name="Refund")).to_have_count(0)

        page.goto(f"{LIST}{job}/refund/")  # the address is still in the browser's history
        expect(page.locator(".skipped")).to_contain_text("was already refunded")
        expect(page.get_by_role("button", name="Refund")).to_have_count(0)
        expect(page.get_by_text("This action is not possible here")).to_be_visible()

    def test_two_members_of_staff_refund_once(self, enter):
        """The form of the second was open when the first one sent theirs."""
        pages = [enter("olga"), enter("root")]
        for page in pages:
            open_job(page, "femi lighthouse")
            choose(page, "Refund")
        for page in pages:
            send(page, "Refund", "Asked for it")
        expect(pages[0].locator(".messagelist .success")).to_contain_text("50 tokens refunded")
        expect(pages[1].locator(".messagelist .warning")).to_contain_text("was already refunded")


def number(tokens: str) -> int:
    return int(tokens.split()[0].replace(",", ""))


class TestActions:
    def test_running_job_is_cancelled(self, enter):
        page = enter("olga")
        job = open_job(page, "tram thunderstorm")
        until_shown(page, "Accepted by the mock")
        choose(page, "Cancel")
        expect(page.locator("table.rows")).to_contain_text("No refund")
        send(page, "End this job", "Ordered twice")
        expect(page.locator(".messagelist")).to_contain_text(f"{job}: cancelled; no refund")
        expect(page.locator("h1")).to_contain_text("CANCELLED")
        expect(page.locator(".timeline")).to_contain_text("Ordered twice")

    def test_waiting_job_is_marked_as_failed(self, enter):
        page = enter("olga")
        open_job(page, "ballroom underwater")
        expect(page.get_by_alt_text("initialImage 0")).to_be_visible()
        width = "image => image.decode().then(() => image.naturalWidth)"
        assert page.get_by_alt_text("initialImage 0").evaluate(width) == 640
        choose(page, "Mark as failed and refund")
        send(page, "Fail and refund this job", "Hangs since noon")
        expect(page.locator(".messagelist")).to_contain_text("marked as failed, 50 tokens refunded")
        expect(page.locator("h1")).to_contain_text("FAILED")

    @pytest.mark.parametrize(
        ("words", "who_pays", "tokens", "story"),
        [
            ("koi ink", "Nobody", "0 tokens", "It cost nothing."),
            ("penguins river", "The customer", "50 tokens", "50 tokens are charged."),
        ],
    )
    def test_job_is_retried_and_the_chosen_payer_pays(self, enter, words, who_pays, tokens, story):
        page = enter("olga")
        first = open_job(page, words)
        choose(page, "Retry")
        page.get_by_label("Reason").fill("The prompt was escape_formula")
        page.get_by_role("button", name="Retry").click()
        expect(page).to_have_url(re.compile("/retry/"))  # who pays must be chosen
        page.get_by_label(who_pays).check()
        page.get_by_role("button", name="Retry").click()
        said = page.locator(".messagelist")
        expect(said).to_contain_text("retried as job")
        expect(said).to_contain_text(f"for {tokens}.")
        expect(page.locator(".job-head")).to_contain_text("Repeated as")
        said.get_by_role("link").last.click()
        expect(page.locator(".job-head")).to_contain_text(f"Repeats {first}")
        expect(page.locator(".story")).to_contain_text(story)
        until_shown(page, "Accepted by the mock")

    def test_video_is_fetched_again(self, enter):
        """What could not be stored yesterday is fetched today, and plays."""
        page = enter("olga")
        open_job(page, "glass whale")
        expect(page.locator(".story")).to_contain_text("(storage.failed): The finished video")
        choose(page, "Fetch again")
        page.get_by_label("Nobody").check()
        send(page, "Fetch this video", "The storage is back")
        with page.expect_navigation():
            page.locator(".messagelist").get_by_role("link").last.click()
        until_shown(page, "The video was stored after")
        page.locator("video").evaluate("video => video.play()")

    def test_filtered_jobs_are_refunded_together(self, enter):
        """From the overview's failures to all that failed with one code in the past hour."""
        page = enter("olga")
        page.get_by_role("link", name="Home").click()
        figure = page.locator("figure", has_text="Failures by code")
        figure.get_by_text("Table").click()
        figure.get_by_role("link", name="provider.unavailable").click()
        page.locator(".filters > summary").click()
        with page.expect_navigation():
            page.get_by_role("link", name="Past hour").click()
        expect(page.locator("#result_list tbody tr")).to_have_count(6)
        page.get_by_label("Select all objects on this page").check()
        page.get_by_label("Action:").select_option("Refund selected jobs")
        page.get_by_role("button", name="Go").click()
        expect(page.get_by_text("6 of 6 jobs")).to_be_visible()
        screenshot(page, "staff-bulk")
        send(page, "Refund", "Google was overloaded")
        said = page.locator(".messagelist .success")
        expect(said.locator("summary")).to_have_text("Refund: 6 done, 0 skipped.")
        said.locator("summary").click()
        expect(said.locator("li:visible")).to_have_count(6)
        expect(page.locator("#result_list").get_by_text("refunded")).to_have_count(6)

    def test_support_cannot_refund_more_than_the_daily_limit(self, enter):
        page = enter("sam")
        rows = find(page, "jonas city snow")
        for row in rows.all()[:3]:
            row.get_by_role("checkbox").check()
        page.get_by_label("Action:").select_option("Refund selected jobs")
        page.get_by_role("button", name="Go").click()
        send(page, "Refund", "Asked nicely")
        page.locator(".messagelist .warning summary").click()
        refused = page.locator(".messagelist .warning li").last
        expect(refused).to_contain_text("would exceed your daily limit of 100 tokens")
        expect(refused).to_contain_text("ask an Operator")


def until_shown(page: Page, text: str) -> None:
    """Look at the page again until it says so: the workers are at it."""
    shown = page.get_by_text(text)
    for _ in range(40):
        if shown.count():
            return
        page.wait_for_timeout(250)
        page.reload()
    expect(shown).to_be_visible()


class TestAccounts:
    def test_tokens_are_granted_and_adjusted(self, enter):
        page = enter("fred")
        open_user(page, "aiko")
        had = tokens_of(page)
        choose(page, "Grant tokens")
        page.get_by_label("Amount").fill(f"-{had + 1}")
        expect(page.locator("output")).to_have_text("The balance would be below 0.")
        page.get_by_label("Amount").fill("250")
        expect(page.locator("output")).to_have_text(f"The balance is then {had + 250:,} tokens.")
        send(page, "Grant tokens", "For the long wait")
        expect(page.locator(".messagelist")).to_have_text(
            f"aiko: +250 tokens; the balance is {had + 250:,}."
        )
        newest = page.get_by_role("region", name="Newest entries").locator("tbody tr").first
        expect(newest).to_contain_text("For the long wait")
        expect(newest).to_contain_text("fred")

        choose(page, "Adjust balance")
        page.get_by_label("Amount").fill("-9999")
        send(page, "Adjust balance", "Too much")
        expect(page.locator(".errorlist")).to_contain_text(f"has only {had + 250:,} tokens.")
        page.get_by_label("Amount").fill("-250")
        page.get_by_role("button", name="Adjust balance").click()
        expect(page.locator(".messagelist")).to_contain_text(f"the balance is {had:,}.")

    def test_staff_actions_are_on_the_page_and_in_the_history_of_the_user(self, enter, studio):
        studio.user("vera", tokens=50).create(prompt="An owl reads the news")
        page = enter("fred")
        open_user(page, "vera")
        choose(page, "Grant tokens")
        page.get_by_label("Amount").fill("200")
        send(page, "Grant tokens", "Waited for an hour")
        page = enter("olga")
        job = open_job(page, "vera")
        choose(page, "Cancel")
        send(page, "End this job", "Ordered twice")
        open_user(page, "vera")
        for name in ("panel", "history"):
            table = page.locator("table", has_text="What, and why")
            newest = [row.inner_text() for row in table.locator("tbody tr").all()[:2]]
            for shown in ("olga", "Cancel: ", "Ordered twice", f"Video job {job}"):
                assert shown in newest[0], name
            for shown in ("fred", "Grant tokens: +200. Waited for an hour", "Account vera"):
                assert shown in newest[1], name
            table.get_by_role("link", name=f"Video job {job}").click()
            expect(page.locator("h1 .id")).to_have_text(job)
            page.go_back()
            if name == "panel":
                page.get_by_role("link", name="All actions of staff").click()
                expect(page.get_by_role("heading", name="Change history: vera")).to_be_visible()

    def test_long_user_name_leaves_the_other_columns_in_sight(self, enter, studio):
        studio.user(name := "W" * 150)
        page = enter("olga")
        page.goto("/admin/accounts/user/")
        expect(page.locator("#result_list .column-is_staff")).to_be_in_viewport(ratio=1)
        open_user(page, name)
        choose(page, "Deactivate")
        sideways = "document.documentElement.scrollWidth > innerWidth"
        assert not page.evaluate(sideways)
        send(page, "Deactivate", "x" * 200)
        expect(page.locator(".messagelist")).to_contain_text("deactivated")
        page = enter("root")
        for width in (MIDDLE, NARROW):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto("/admin/admin/logentry/")
            row = page.locator("#result_list tbody tr", has_text="Deactivated: x")
            for cell in ("user", "what", "on"):
                box = row.locator(f".field-{cell}").bounding_box()
                assert box["x"] + box["width"] <= width, cell

    def test_deactivated_user_has_no_access(self, enter, studio):
        nora = studio.user("nora")
        page = enter("olga")
        open_user(page, "nora")
        page.get_by_role("link", name="Deactivate").click()
        send(page, "Deactivate", "Shared the password in public")
        expect(page.locator(".messagelist")).to_have_text("nora: deactivated.")
        assert nora.get("/api/v1/auth/me").status_code == 401
        page.get_by_role("link", name="Reactivate").click()
        send(page, "Reactivate", "A new password is set")
        assert nora.get("/api/v1/auth/me").status_code == 200

    def test_jobs_are_exported_as_csv(self, enter):
        page = enter("fred")
        rows = find(page, "maria ballroom")
        expect(rows).to_have_count(2)
        page.get_by_label("Select all objects on this page").check()
        page.get_by_label("Action:").select_option("Export selected jobs as CSV")
        with page.expect_download() as download:
            page.get_by_role("button", name="Go").click()
        assert re.fullmatch(r"video-jobs-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
        taken = list(csv.DictReader(Path(download.value.path()).read_text().splitlines()))
        assert {row["prompt"] for row in taken} > {BLACK_FRAME}
        assert {row["email"] for row in taken} == {"maria@example.com"}


def tokens_of(page: Page) -> int:
    balance = page.locator(".customer .tiles div", has_text="Balance").locator("dd")
    return int(balance.inner_text().replace(",", ""))


class TestRoles:
    SEES = {
        "sam": {"Refund", "Add a note"},
        "olga": {"Refund", "Retry", "Fetch again", "Deactivate", "Add a note"},
        "fred": {"Grant tokens", "Adjust balance"},
    }
    BY_HAND = {"sam": "retry", "olga": "grant", "fred": "refund"}

    @pytest.mark.parametrize("name", SEES)
    def test_each_role_sees_its_own_actions_only(self, enter, name):
        page = enter(name, tolerate=REFUSED)
        job = open_job(page, "aiko lighthouse")
        seen = set(page.locator(".action-buttons a").all_inner_texts())
        page.locator(".job-head").get_by_role("link", name="aiko", exact=True).click()
        expect(page.locator("#tokens-heading")).to_be_visible()
        seen |= set(page.locator(".action-buttons a").all_inner_texts())
        links = {"Log", "Public page", "History"}
        assert {each.capitalize() for each in seen} - links == self.SEES[name]
        closed = self.BY_HAND[name]
        user = urlsplit(page.url).path.split("/")[-3]
        page.goto(
            f"/admin/accounts/user/{user}/grant/" if closed == "grant" else f"{LIST}{job}/{closed}/"
        )
        expect(page.get_by_role("heading", name="You do not have permission")).to_be_visible()


class TestOverview:
    def test_overview_draws_its_tables_as_charts_and_finds_a_job(self, enter):
        page = enter("olga", dark=True, calm=True, locale="de-DE")
        page.goto("/admin/")
        figures = page.locator("figure[data-chart]")
        expect(figures).to_have_count(5)
        for figure in figures.all():
            assert figure.locator("canvas").evaluate(INK)
            figure.get_by_text("Table").click()
            expect(figure.locator("tbody tr").first).to_be_visible()
        hours = page.locator("figure", has_text="Jobs by hour of order").locator("tbody tr")
        expect(hours).to_have_count(24)
        failed = [int(row.locator("td").nth(1).inner_text()) for row in hours.all()]
        assert sum(failed) >= 8
        ticks = "Chart.getChart(document.querySelector('.wide canvas')).scales.y.ticks"
        assert re.fullmatch(
            r"\d+,\d{3}", page.evaluate(f"{ticks}.at(-1).label")
        )  # whatever the browser's language
        tension = "each => each.getDatasetMeta(0).dataset?.options.tension"
        curved = page.evaluate(f"Object.values(Chart.instances).some({tension})")
        assert not curved, "shows values between the hours that never were"
        tiles = page.locator(".tiles")
        expect(tiles.locator("div", has_text="Worker clusters")).to_contain_text("seen")
        expect(tiles.locator("div", has_text="Ledger")).to_contain_text("in order")
        page.get_by_label("Find a job").fill("glass whale")
        page.keyboard.press("Enter")
        expect(page.get_by_role("main")).to_contain_text("jonas")


class TestLogin:
    def test_login_is_locked_after_five_failures_until_it_is_reset(self, studio, open_page):
        proxied = {"X-Forwarded-For": "10.1.2.3"}  # else nobody here could log in any more
        page = open_page(base_url=studio.url, extra_http_headers=proxied, tolerate=REFUSED)
        page.goto("/admin/")
        for _ in range(4):
            log_in(page, "root", "wrong")
            expect(page.get_by_role("alert")).to_contain_text("correct username and password")
        log_in(page, "root", "wrong")
        expect(page.get_by_role("heading", name="Too many failed logins")).to_be_visible()
        expect(page.get_by_text("Please wait 15 min")).to_be_visible()
        page.goto("/admin/")
        log_in(page, "root")
        expect(page.get_by_role("heading", name="Too many failed logins")).to_be_visible()
        screenshot(page, "staff-locked")
        studio.manage("axes_reset_username", "root")
        page.goto("/admin/")
        log_in(page, "root")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    def test_login_asks_for_the_code_if_required(self, studio, open_page):
        studio.env["ADMIN_OTP_REQUIRED"] = "true"
        studio.start_web()
        link = re.search(r"otpauth://\S+", studio.manage("otp_device", "olga").stdout)
        assert link
        secret = parse_qs(urlsplit(link[0]).query)["secret"][0]
        key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        page = open_page(base_url=studio.urls[-1])
        page.goto("/admin/")
        log_in(page, "olga")
        expect(page.get_by_role("alert")).to_have_text(
            "Please enter the code that your phone shows."
        )
        screenshot(page, "staff-second-step")
        log_in(page, "olga", code=f"{totp(key):06}")
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()


class TestKeyboard:
    def test_job_is_refunded_by_keyboard(self, enter):
        page = enter("olga")
        rows = find(page, "maria foxes")
        page.locator(".filters > summary").click()
        with page.expect_navigation():
            page.get_by_role("link", name="Not refunded").click()
        job = rows.first.locator(".id").get_attribute("title")
        self.tab_to(page, rows.first.locator("th a"))
        page.keyboard.press("Enter")
        expect(page.locator("h1 .id")).to_have_text(job or "")
        self.tab_to(page, page.locator(".action-buttons").get_by_role("link", name="Refund"))
        page.keyboard.press("Enter")
        expect(page.get_by_label("Reason")).to_be_focused()
        row = page.locator(".form-row", has=page.get_by_label("Reason"))
        expect(row).to_have_css("overflow", "visible")  # which shows the whole focus ring
        page.keyboard.type("By keyboard alone")
        self.tab_to(page, page.get_by_role("button", name="Refund"))
        page.keyboard.press("Enter")
        expect(page.locator(".messagelist")).to_have_text(f"Job {job}: 50 tokens refunded.")

    def test_slash_leads_to_the_search_and_the_only_result_opens(self, enter, studio):
        studio.user("iris", tokens=50).create(prompt="A zeppelin lands on a lake")
        page = enter("sam")
        page.keyboard.press("/")
        page.keyboard.type("zeppelin")
        page.keyboard.press("Enter")
        expect(page.locator(".story")).to_be_visible()

    @pytest.mark.parametrize(
        ("path", "column"),
        [("tokens_ledger/entry", "signed"), ("accounts/user", "short_id")],
    )
    def test_main_columns_are_in_sight_on_a_phone(self, enter, path, column):
        page = enter("fred", width=NARROW, height=844)
        page.goto(f"/admin/{path}/")
        expect(page.locator(f"#result_list .column-{column}")).to_be_in_viewport(ratio=1)

    def test_each_column_of_the_jobs_is_in_sight_on_the_narrowest_phone(self, enter):
        page = enter("sam", width=320)
        row = page.locator("#result_list tbody tr").first
        for cell in ("ordered", "state", "tokens"):
            box = row.locator(f".field-{cell}").bounding_box()
            assert box["x"] + box["width"] <= 320 - 15, cell

    def test_filters_are_folded_before_the_list_on_a_phone(self, enter):
        page = enter("sam", width=NARROW, height=844)
        summary = page.locator(".filters > summary")
        summary.click()
        page.get_by_role("link", name="FAILED", exact=True).click()
        expect(summary).to_have_text("Filter: status: FAILED")
        assert page.locator("#result_list").bounding_box()["y"] < 500

    def tab_to(self, page: Page, wanted: Any) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                outline = "element => getComputedStyle(element).outlineStyle"
                assert wanted.evaluate(outline) != "none", "nobody sees where the focus is"
                return
        pytest.fail("Tab never came there")
