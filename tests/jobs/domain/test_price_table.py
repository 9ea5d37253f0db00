"""`manage.py price_table`: a table for VIDEO_PRICES from Google's prices."""

import json
import re
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from jobs import google_prices, pricing
from jobs.catalog import MODELS, RESOLUTIONS
from tests.run import ENVIRONMENT, PROJECT

pytestmark = pytest.mark.once

LINE = re.compile(r"^(?:# )?VIDEO_PRICES='(\{.+\})'$", re.MULTILINE)


@pytest.fixture
def printed(capsys):
    def printed(*arguments):
        call_command("price_table", *arguments)
        return capsys.readouterr().out

    return printed


class TestTable:
    def test_google_s_price_with_the_margin_is_rounded_up_to_tokens(self, printed):
        [table] = map(json.loads, LINE.findall(printed("--margin", "1.5", "--token-price", "0.02")))
        assert table["veo-3.1-generate-preview"]["1080p"] == {"perSecond": 15, "sound": 15}
        # $0.08 and $0.10: 6 tokens, and 7.5 with sound
        assert table["veo-3.1-fast-generate-001"]["720p"] == {"perSecond": 6, "sound": 2}
        # $0.03 and $0.05: 2.25 tokens, and 3.75 with sound
        assert table["veo-3.1-lite-generate-001"]["720p"] == {"perSecond": 3, "sound": 1}
        pricing.check(table)

    def test_no_video_is_sold_below_google_s_price(self, printed):
        [table] = map(json.loads, LINE.findall(printed("--margin", "1", "--token-price", "0.07")))
        for model, resolution in ((m, r) for m in MODELS for r in RESOLUTIONS):
            tokens = table[model][resolution]
            price = google_prices.PRICES[MODELS[model].veo_id][resolution]
            assert tokens["perSecond"] * 7 >= price.silent * 100
            assert (tokens["perSecond"] + tokens["sound"]) * 7 >= price.with_sound * 100

    @pytest.mark.slow
    def test_is_printed_while_the_old_table_stops_every_start(self):
        old = json.dumps({"veo-3.0": {"720p": {"perSecond": 4, "sound": 2}}})
        done = subprocess.run(
            [sys.executable, "manage.py", "price_table"],
            cwd=PROJECT,
            env=ENVIRONMENT | {"VIDEO_PRICES": old, "DATABASE_URL": "sqlite://:memory:"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert LINE.search(done.stdout)

    def test_source_and_date_are_named(self, printed):
        comment = printed("--margin", "1.5").splitlines()[0]
        assert comment.startswith(f"# Google's prices of {google_prices.READ_ON} times 1.5")
        assert google_prices.SOURCE in comment

    def test_example_of_the_settings_is_what_it_prints(self, printed):
        [example] = LINE.findall((PROJECT / ".env.example").read_text())
        assert LINE.findall(printed("--margin", "1.5", "--token-price", "0.01")) == [example]

    @pytest.mark.parametrize("option", ["--margin", "--token-price"])
    def test_wrong_number_is_refused(self, option):
        said = f"^{option} must be a number above 0, such as 1.5$"
        for value in ("0", "-1", "NaN", "Infinity", "1,5", "", "1e9"):
            with pytest.raises(CommandError, match=said):
                call_command("price_table", f"{option}={value}")

    def test_model_id_without_a_known_price_is_refused(self, settings):
        settings.VEO_MODEL_IDS = {"veo-3.1-generate-preview": "veo-4"}
        with pytest.raises(CommandError, match=r"^Google's price of veo-4 is not in google_prices"):
            call_command("price_table")
