"""A filtered list of the admin does not look like the whole list."""

import re
from urllib.parse import unquote

import pytest

from tests.staff_site import LIST
from tokens_ledger.models import Entry

pytestmark = pytest.mark.slow

ENTRIES = "/admin/tokens_ledger/entry/"
KEYS = "/admin/accounts/apikey/"
WRITTEN, ORDERED = (
    f"{name}_from=2026-11-01&{name}_to=2026-11-30T12:00" for name in ("written", "ordered")
)


def summary(page):
    [found] = re.findall("<summary>(Filter.*?)</summary>", page)
    return re.sub("</?bdi>", "", found)


def selected(page, title):
    """The selected choices of the filter with this title."""
    [choices] = re.findall(rf'data-filter-title="{title}".*?</ul>', page, re.DOTALL)
    return re.findall(r'class="selected">\s*<a[^>]*>([^<]*)', choices)


def heading(page):
    return re.findall("<h1>(.*?)</h1>", page)[0]


class TestSummary:
    @pytest.mark.parametrize(
        ("page", "query", "words"),
        [
            (ENTRIES, "account__exact={alice}&kind__in=grant,charge",
             "user: alice; kind: grant, charge"),
            (ENTRIES, WRITTEN, "created: 2026-11-01 to 2026-11-30 12:00"),
            (ENTRIES, "written_from=2026-11-01&kind__exact=grant",
             "kind: Grant; created: from 2026-11-01"),
            (LIST, ORDERED, "ordered: 2026-11-01 to 2026-11-30 12:00"),
            (LIST, "user={alice}&status__exact=FAILED", "user: alice; status: FAILED"),
            (LIST, "user__in={alice},{bob}&ordered=hour", "user: alice, bob; ordered: Past hour"),
            (LIST, "error_code=gone&mock_mode__exact=0", "error code: gone; mock mode: No"),
            (KEYS, "user={alice}", "user: alice"),
        ],
    )  # fmt: skip
    def test_summary_names_every_active_filter(self, boss, alice, bob, page, query, words):
        text = boss.get(f"{page}?{query.format(alice=alice.pk, bob=bob.pk)}").text
        assert summary(text) == f"Filter: {words}"
        assert re.search(r'</details>\s*<p><a href="\?">Clear all filters</a>', text)

    def test_list_of_everything_has_no_active_filter(self, boss, alice):
        text = boss.get(f"{LIST}?late=&ordered_from=&ordered_to=x&o=1&p=1").text
        assert summary(text) == "Filter"
        assert "Clear all filters" not in text
        assert selected(text, "status") == ["All"]

    def test_clearing_the_filters_leaves_the_search(self, boss, alice):
        text = boss.get(f"{LIST}?user={alice.pk}&status__in=FAILED&q=zeppelin").text
        assert '<a href="?q=zeppelin">Clear all filters</a>' in text

    def test_all_is_selected_without_a_filter_only_and_leads_to_every_status(self, boss):
        text = boss.get(f"{LIST}?status__in=PENDING,RUNNING&mock_mode__exact=1&{ORDERED}").text
        assert selected(text, "status") == selected(text, "ordered") == []
        assert summary(text).startswith("Filter: status: PENDING, RUNNING; ordered: 2026-11-01 to")
        [choices] = re.findall(r'data-filter-title="status".*?</ul>', text, re.DOTALL)
        [link] = re.findall('href="([^"]*)">All<', choices)
        assert "mock_mode__exact=1" in link
        assert "status" not in link
        assert selected(boss.get(f"{LIST}?status__exact=FAILED").text, "status") == ["FAILED"]


class TestNames:
    def test_heading_names_the_user(self, boss, alice):
        assert heading(boss.get(f"{ENTRIES}?account={alice.pk}").text) == "Entries of alice"
        assert heading(boss.get(f"{LIST}?user={alice.pk}").text) == "Video jobs of alice"
        assert heading(boss.get(ENTRIES).text) == "Entries"

    def test_exported_file_names_the_user(self, finance, alice, new_job):
        new_job()
        alice.username = 'a"b/../c d@x.Мария'
        alice.save()
        entry = Entry.objects.get(kind="charge")
        chosen = {"action": "export", "_selected_action": [str(entry.pk)]}
        answer = finance.post(f"{ENTRIES}?account={alice.pk}&{WRITTEN}", chosen)
        header = unquote(answer["Content-Disposition"])
        assert "entries-a-b-..-c-d@x.Мария-from-2026-11-01-to-2026-11-30.csv" in header
        assert not header.count('"') % 2
