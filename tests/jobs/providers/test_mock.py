"""The mock provider, with a clock that the test sets."""

from itertools import product

import pytest

from jobs.catalog import ASPECT_RATIOS, DURATIONS, RESOLUTIONS, VideoSpec, refusals
from jobs.providers.base import Finished, Inputs, ProviderError, Running
from jobs.providers.mock import SAMPLES, Mock

pytestmark = pytest.mark.once

NOON = 1_800_000_000.0
COMBINATIONS = [
    VideoSpec(
        prompt="A lighthouse at dusk",
        model="veo-3.1-fast-generate-preview",
        resolution=resolution,
        aspect_ratio=ratio,
        duration_seconds=seconds,
        generate_audio=sound,
        mock_mode=True,
    )
    for resolution, ratio, seconds, sound in product(
        RESOLUTIONS, ASPECT_RATIOS, DURATIONS, (False, True)
    )
]
ORDERS = [order for order in COMBINATIONS if not [*refusals(order)]]


def sample_of(order):
    ratio, sound = order.aspect_ratio.replace(":", "x"), "-audio" * order.generate_audio
    return f"{order.resolution}-{ratio}-{order.duration_seconds}s{sound}.mp4"


class Clock:
    now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def mock(clock):
    return Mock(seconds=8, clock=clock)


def order(prompt):
    return VideoSpec(**vars(ORDERS[0]) | {"prompt": prompt})


def submit(mock, order):
    return mock.submit(spec=order, inputs=Inputs(), labels={})


class TestSample:
    @pytest.mark.parametrize("order", ORDERS, ids=sample_of)
    def test_each_order_gets_its_sample(self, mock, clock, tmp_path, order):
        operation = submit(mock, order)
        clock.now += 8
        answer = mock.poll(operation=operation, into=tmp_path / "video")
        sample = SAMPLES / sample_of(order)
        assert (tmp_path / "video").read_bytes() == sample.read_bytes()
        still = sample.name.replace("-audio", "").replace(".mp4", ".jpg")
        assert answer == Finished(poster=SAMPLES / still)


class TestOperation:
    def test_operation_runs_for_its_seconds(self, mock, clock, tmp_path):
        operation = submit(mock, order("A lighthouse"))
        clock.now += 7.99
        assert mock.poll(operation=operation, into=tmp_path / "video") == Running()
        assert not (tmp_path / "video").exists()
        clock.now += 0.01
        assert isinstance(mock.poll(operation=operation, into=tmp_path / "video"), Finished)

    def test_other_process_can_poll_the_operation(self, mock, clock, tmp_path):
        operation = submit(mock, order("A lighthouse [[slow:30]]"))
        other = Mock(seconds=1, clock=clock)
        clock.now += 29
        assert other.poll(operation=operation, into=tmp_path / "video") == Running()
        clock.now += 1
        assert isinstance(other.poll(operation=operation, into=tmp_path / "video"), Finished)

    @pytest.mark.parametrize(
        ("mark", "seconds"),
        {"[[slow:30]]": 30, "[[slow:0]]": 0, "[[slow:600]]": 600, "[[slow:9999]]": 600}.items(),
    )
    def test_slow_mark_sets_the_seconds(self, mock, clock, tmp_path, mark, seconds):
        operation = submit(mock, order(f"A lighthouse {mark} at dusk"))
        if seconds:
            clock.now += seconds - 0.01
            assert mock.poll(operation=operation, into=tmp_path / "video") == Running()
        clock.now += 0.01
        assert isinstance(mock.poll(operation=operation, into=tmp_path / "video"), Finished)

    @pytest.mark.parametrize("prompt", ["[[slow:-1]]", "[slow:1]", "[[fail:other]]"])
    def test_other_brackets_are_words(self, mock, clock, tmp_path, prompt):
        operation = submit(mock, order(prompt))
        clock.now += 7
        assert mock.poll(operation=operation, into=tmp_path / "video") == Running()
        clock.now += 1
        assert isinstance(mock.poll(operation=operation, into=tmp_path / "video"), Finished)

    @pytest.mark.parametrize(
        ("mark", "code"),
        {"[[fail:safety]]": "safety.output", "[[fail:provider]]": "provider.unavailable"}.items(),
    )
    def test_fail_mark_sets_the_error(self, mock, clock, tmp_path, mark, code):
        operation = submit(mock, order(f"{mark} [[slow:2]]"))
        clock.now += 1
        assert mock.poll(operation=operation, into=tmp_path / "video") == Running()
        clock.now += 1
        with pytest.raises(ProviderError) as caught:
            mock.poll(operation=operation, into=tmp_path / "video")
        assert (caught.value.code, caught.value.retryable) == (code, False)
        assert not (tmp_path / "video").exists()

    def test_failures_do_not_keep_the_tracebacks_of_earlier_ones(self, mock, clock, tmp_path):
        operation, depths = submit(mock, order("[[fail:provider]]")), []
        clock.now += 600
        for _ in range(3):
            with pytest.raises(ProviderError) as caught:
                mock.poll(operation=operation, into=tmp_path / "video.mp4")
            depths.append(len(caught.traceback))
        assert len(set(depths)) == 1

    def test_operation_needs_no_prompt(self, mock, clock, tmp_path):
        operation = submit(mock, order(None))
        clock.now += 8
        assert isinstance(mock.poll(operation=operation, into=tmp_path / "video"), Finished)

    def test_operation_fits_its_column(self, mock):
        assert len(submit(mock, order("[[slow:600]] [[fail:provider]]"))) < 300

    def test_operation_of_another_provider_is_refused(self, mock, tmp_path):
        with pytest.raises(ProviderError) as caught:
            mock.poll(operation="projects/studio/operations/1", into=tmp_path / "video")
        assert caught.value.code == "internal"
