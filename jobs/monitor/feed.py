"""An Atom feed of the newest videos."""

import re
from collections.abc import Iterable
from datetime import datetime

from django.contrib.syndication.views import Feed
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.feedgenerator import Atom1Feed

from jobs.monitor import formatting, public_jobs
from jobs.monitor.cache import get_or_compute
from jobs.monitor.public_jobs import PAGE, Card

NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class NewestVideos(Feed):
    feed_type = Atom1Feed
    title = "Video Studio: newest videos"
    subtitle = "The videos of the last 24 hours that the public monitor shows."
    link = reverse_lazy("monitor")
    author_name = "Video Studio"  # an Atom feed must have an author

    def items(self) -> Iterable[Card]:
        return get_or_compute("feed", lambda: public_jobs.videos(most=PAGE, now=timezone.now()))

    def item_title(self, item: Card) -> str:
        return NOT_IN_XML.sub("", item.prompt)[:200] or "A video"

    def item_description(self, item: Card) -> str:
        return ", ".join([formatting.model_name(item.model), *item.options])

    def item_link(self, item: Card) -> str:
        return reverse("monitor-job", args=[item.id])

    def item_pubdate(self, item: Card) -> datetime | None:
        return item.completed_at

    def item_updateddate(self, item: Card) -> datetime | None:
        return item.completed_at
