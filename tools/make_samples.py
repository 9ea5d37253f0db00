"""Draw the mock provider's sample videos: a sun crosses a landscape below a text with their facts.

Run it with `make samples`. It writes to jobs/providers/samples: for every size, ratio and length
that can be ordered together a silent and a sounding H.264 MP4, and a JPEG of their common first
frame. A picture depends on its frame number alone, so a second run makes the same files. PyAV is a
development dependency: the service hands these files out, it never makes them.
"""

import math
from array import array
from fractions import Fraction
from multiprocessing import Pool
from pathlib import Path
from typing import NamedTuple

import av
from PIL import Image, ImageDraw, ImageFont, ImageOps

SAMPLES = Path(__file__).parents[1] / "jobs" / "providers" / "samples"
FPS = 24
SHORTER_SIDES = {"720p": 720, "1080p": 1080}  # pixels
COMBINATIONS = (  # a new one goes to the end: the place decides the colours
    *(("720p", "16:9", 4), ("720p", "16:9", 8), ("720p", "9:16", 4), ("720p", "9:16", 8)),
    *(("720p", "16:9", 6), ("1080p", "16:9", 8), ("720p", "9:16", 6), ("1080p", "9:16", 8)),
)
# For reproducible files: x264's output depends on its number of threads and, without
# `cpu-independent`, varies even with one thread (measured with core 165).
REPEATABLE = {"threads": "1", "x264-params": "cpu-independent=1"}
X264 = {"crf": "28", "tune": "animation", "aq-mode": "3", "bf": "8", **REPEATABLE}
BT709 = 1  # H.264's number of the colours that players assume for HD

AUDIO_RATE = 48_000  # Hz
NOTE = 0.5  # seconds from one note to the next
SCALE = (293.66, 329.63, 369.99, 440.00, 493.88)  # Hz: D major pentatonic
MELODY = (0, 2, 3, 4, 3, 2, 1, 0)  # indices into SCALE; four seconds, then again


class Sample(NamedTuple):
    """One moving picture: `unit` is its shorter side in pixels, `hue` its colour in degrees."""

    resolution: str
    ratio: str
    seconds: int
    hue: int

    @property
    def unit(self):
        return SHORTER_SIDES[self.resolution]

    @property
    def size(self):
        longer = self.unit * 16 // 9
        return (longer, self.unit) if self.ratio == "16:9" else (self.unit, longer)

    def path(self, suffix):
        name = f"{self.resolution}-{self.ratio.replace(':', 'x')}-{self.seconds}s{suffix}"
        return SAMPLES / name


def samples():
    """Each sample of COMBINATIONS; hues from green over violet to red, neighbours far apart."""
    for n, combination in enumerate(COMBINATIONS):
        yield Sample(*combination, hue=145 + 32 * (n * 3 % 8))


def colour(hue, saturation, lightness):
    """Pillow's name for a hue in degrees, a saturation and a lightness in percent."""
    return f"hsl({hue % 360}, {saturation}%, {lightness}%)"


def gradient(size, top, bottom):
    """RGB image of `size`, running from the colour `top` down to the colour `bottom`."""
    return ImageOps.colorize(Image.linear_gradient("L").resize(size), top, bottom)


def sun_mask(unit):
    """Square L image, 1.2 `unit` wide: an opaque disc whose glow fades out at the square's edge."""
    side = round(unit * 1.2)
    distance = Image.radial_gradient("L")  # 0 in the middle, 181 on the inscribed circle
    mask = distance.point(lambda v: round(140 * max(0, 1 - v / 181) ** 2)).resize((side, side))
    disc = Image.new("L", (2 * side, 2 * side))  # twice as large, for a smooth edge
    ImageDraw.Draw(disc).circle((side, side), unit * 0.17, fill=255)
    mask.paste(255, mask=disc.reduce(2))
    return mask


def hills_mask(size, unit, depth):
    """L image of `size`, white below the ridge of hill range `depth`: 0 is far and high, 3 near."""
    (width, height), pace, phase = size, 3.1 / unit / (1.2 - 0.07 * depth), 1.7 * depth

    def ridge(x):
        a = x * pace + phase
        waves = math.sin(a) + 0.45 * math.sin(2.3 * a + phase) + 0.12 * math.sin(7 * a)
        return height * (0.64 + 0.083 * depth) - unit * 0.05 * waves

    line = [(2 * x, 2 * ridge(x)) for x in range(0, width + 4, 4)]
    mask = Image.new("L", (2 * width, 2 * height))  # as with the sun's disc
    ImageDraw.Draw(mask).polygon([(0, 2 * height), *line, (2 * width, 2 * height)], fill=255)
    return mask.reduce(2)


class Scene:
    """A sample's still parts, drawn once; `frame(n)` moves them into place."""

    def __init__(self, sample):
        (width, height), hue, horizon = sample.size, sample.hue, sample.hue + 42
        self.sample, self.sun = sample, sun_mask(sample.unit)
        self.sky = gradient(sample.size, colour(hue, 48, 27), colour(horizon, 80, 80))
        self.hills = []
        for depth, light in enumerate((64, 46, 29, 13)):
            tint = horizon + (hue - horizon) * depth / 3
            fill = gradient(sample.size, colour(tint, 40, light), colour(tint, 48, light + 8))
            strip = width + depth * sample.seconds * FPS, height
            self.hills.append((fill, hills_mask(strip, sample.unit, depth)))

    def frame(self, n, *, sound=False):
        """RGB image of frame `n` (from 0): the sun on its arc, near hills drifting faster."""
        (width, height), picture, second = self.sample.size, self.sky.copy(), n / FPS
        done = second / self.sample.seconds
        x = width * (0.2 + 0.6 * done) - self.sun.width / 2
        y = height * (0.62 - 0.27 * math.sin(math.pi * (0.15 + 0.7 * done))) - self.sun.height / 2
        picture.paste(colour(48, 100, 92), (round(x), round(y)), self.sun)
        for depth, (fill, strip) in enumerate(self.hills):
            picture.paste(fill, mask=strip.crop((depth * n, 0, depth * n + width, height)))
        write_facts(picture, self.sample, second)
        if sound:
            draw_notes(picture, self.sample.unit, second)
        return picture


def write_facts(picture, sample, second):
    """Burn in the running second, the size, the ratio and the length on the left, "mock" right."""
    draw, unit = ImageDraw.Draw(picture), sample.unit
    large, small = (ImageFont.load_default(size=unit * part) for part in (0.1, 0.042))
    clock = f"{second:.1f} s / {sample.seconds} s"
    facts = f"{picture.width} x {picture.height}  ·  {sample.ratio}  ·  {sample.seconds} s"
    draw.text((unit * 0.06, unit * 0.13), clock, "white", large, anchor="ls")
    draw.text((unit * 0.06, unit * 0.205), facts, "white", small, anchor="ls")
    draw.text((picture.width - unit * 0.06, unit * 0.13), "mock", "white", small, anchor="rs")


def draw_notes(picture, unit, second):
    """Draw audible notes as bars under "mock"; none at 0 s, so both variants can share a poster."""
    for note, loudness in audible(second):
        x, y = picture.width - unit * (0.148 - 0.0195 * note), unit * 0.205
        bar = x, y - unit * 0.05 * math.sqrt(loudness), x + unit * 0.01, y
        ImageDraw.Draw(picture).rectangle(bar, "white")


def audible(second):
    """Yield (index into SCALE, loudness 0..1) of the four notes last struck before `second`."""
    struck = math.ceil(second / NOTE)
    for n in range(max(0, struck - 4), struck):
        age = second - n * NOTE
        yield MELODY[n % len(MELODY)], min(1, age / 0.03) * math.exp(-2.5 * age)


def melody(seconds):
    """Float samples (-1..1) at AUDIO_RATE, faded out over the last 0.4 s."""

    def sample_at(t):
        tone = sum(loud * math.sin(math.tau * SCALE[note] * t) for note, loud in audible(t))
        return 0.2 * tone * min(1, (seconds - t) / 0.4)

    return array("f", (sample_at(n / AUDIO_RATE) for n in range(seconds * AUDIO_RATE)))


def add_melody(target, seconds):
    """Add a mono AAC track of `seconds` to the open container."""
    audio = target.add_stream("aac", rate=AUDIO_RATE, layout="mono", bit_rate=32_000)
    frame = av.AudioFrame(format="fltp", layout="mono", samples=seconds * AUDIO_RATE)
    frame.planes[0].update(melody(seconds).tobytes())
    frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, 0, Fraction(1, AUDIO_RATE)
    target.mux([*audio.encode(frame), *audio.encode()])


def encode(scene, path, *, sound):
    """Write the MP4 at `path`, its index before its pictures; with melody and bars if `sound`."""
    sample = scene.sample
    with av.open(path, "w", options={"movflags": "+faststart"}) as target:
        video = target.add_stream("libx264", rate=FPS, options=X264)
        (video.width, video.height), video.pix_fmt = sample.size, "yuv420p"
        codec = video.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = BT709
        if sound:
            add_melody(target, sample.seconds)
        for n in range(sample.seconds * FPS):
            frame = av.VideoFrame.from_image(scene.frame(n, sound=sound))
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = n, Fraction(1, FPS)
            target.mux(video.encode(frame))
        target.mux(video.encode())


def make(sample):
    """Write a sample's poster and its two videos."""
    scene = Scene(sample)
    scene.frame(0).save(sample.path(".jpg"), quality=80, optimize=True)
    encode(scene, sample.path(".mp4"), sound=False)
    encode(scene, sample.path("-audio.mp4"), sound=True)


if __name__ == "__main__":
    with Pool() as pool:
        pool.map(make, samples(), chunksize=1)
