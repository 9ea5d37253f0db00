"""The CPU time of decoding uploaded images, at their limits and with random damage.

    python -m bench.images --rounds 500 --seed 7

Exits with 1 if a file takes longer than the limit. `--rounds` files are made from the others by
changing some bytes, by cutting out or repeating a part, or by joining two of them.
"""

import argparse
import io
import random
import sys
from collections.abc import Iterator
from time import process_time

from jobs import image_files, input_images
from tests import costly_images

LIMIT_SECONDS = 2.0


def cost(content: bytes) -> tuple[float, str]:
    """CPU seconds, and what became of the file."""
    started = process_time()
    try:
        input_images.prepare(upload=io.BytesIO(content))
        outcome = "accepted"
    except image_files.InvalidImage as refusal:
        outcome = str(refusal)
    return process_time() - started, outcome


def damaged(files: list[bytes], chance: random.Random) -> bytes:
    whole = bytearray(chance.choice(files))
    at, end = sorted(chance.randrange(len(whole)) for _ in range(2))
    match chance.randrange(4):
        case 0:
            for _ in range(chance.randint(1, 20)):
                # Most decisions of a decoder are made in the first bytes.
                place = chance.randrange(min(len(whole), chance.choice([200, len(whole)])))
                whole[place] ^= 1 << chance.randrange(8)
        case 1:
            del whole[at:end]
        case 2:
            whole[at:at] = whole[at:end] * chance.randint(1, 30)
        case _:
            whole[at:end] = chance.choice(files)
    return bytes(whole[: input_images.MAX_BYTES])


def files() -> Iterator[tuple[str, bytes]]:
    for name, make in costly_images.SEGMENTS.items():
        yield name, make()
    yield from costly_images.of_many_pixels()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.images", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    slowest, seeds = 0.0, []
    for name, content in files():
        seconds, outcome = cost(content)
        slowest = max(slowest, seconds)
        seeds.append(content)
        print(f"{seconds:5.2f} s {len(content):>9,} bytes  {name}: {outcome}", flush=True)
    chance = random.Random(options.seed)
    for number in range(options.rounds):
        seconds, outcome = cost(damaged(seeds, chance))
        if seconds > slowest:
            slowest = seconds
            print(f"{seconds:5.2f} s round {number} of seed {options.seed}: {outcome}", flush=True)
    print(f"slowest: {slowest:.2f} s, limit {LIMIT_SECONDS} s")
    return slowest > LIMIT_SECONDS


if __name__ == "__main__":
    sys.exit(main())
