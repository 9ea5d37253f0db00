"""The tick, which all processes share."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from jobs.models import Tick
from jobs.worker import scheduler


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_ticks_restart_after_a_pause_and_after_the_clock_was_set_back(db, seconds):
    now = timezone.now()
    scheduler.prepare()
    Tick.objects.update(next_at=now + timedelta(seconds=seconds))
    OrmQ.objects.update(lock=now + timedelta(seconds=seconds))
    scheduler.restart_ticks(now=now)
    restarted = OrmQ.objects.latest("id")
    assert restarted.task["args"] == (Tick.objects.get().token,)
    assert restarted.lock <= timezone.now()
    scheduler.restart_ticks(now=now)
    assert OrmQ.objects.latest("id") == restarted
    assert scheduler.take_tick(token=Tick.objects.get().token, now=now)


@pytest.mark.parametrize("seconds", [-1, 1])
def test_ticks_in_time_are_not_restarted(db, seconds):
    now = timezone.now()
    scheduler.prepare()
    Tick.objects.update(next_at=now + timedelta(seconds=seconds))
    scheduler.restart_ticks(now=now)
    assert OrmQ.objects.count() == 1
