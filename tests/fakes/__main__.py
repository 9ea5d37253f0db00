"""Run a fake server as a process until SIGTERM, so that it outlives the workers that it serves.

    python -m tests.fakes vertex --port 9101 --seconds 5,15 --video-bytes 20000000
    python -m tests.fakes cloudinary --port 9102

One line on standard output, `vertex http://127.0.0.1:9101`, reports that it is ready.
"""

import argparse
import signal
from pathlib import Path

from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.server import Imitation
from tests.fakes.vertex import VertexImitation


def seconds(text: str) -> float | tuple[float, float]:
    low, comma, high = text.partition(",")
    return (float(low), float(high)) if comma else float(low)


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    kinds = whole.add_subparsers(dest="kind", required=True)
    vertex = kinds.add_parser("vertex")
    vertex.add_argument("--seconds", type=seconds, default=0.5, help="N, or LOW,HIGH")
    vertex.add_argument("--video-bytes", type=int, default=4_096)
    vertex.add_argument("--video", type=lambda path: Path(path).read_bytes(), help="an MP4 file")
    vertex.add_argument("--api-key", default="test-google-key")
    vertex.add_argument("--seed", type=int, default=0)
    cloudinary = kinds.add_parser("cloudinary")
    cloudinary.add_argument("--cloud-name", default="test-cloud")
    cloudinary.add_argument("--api-key", default="test-cloudinary-key")
    cloudinary.add_argument("--api-secret", default="test-cloudinary-secret")
    for kind in (vertex, cloudinary):
        kind.add_argument("--port", type=int, default=0)
        kind.add_argument("--hang-seconds", type=float, default=600)
    return whole


def main() -> None:
    options = vars(parser().parse_args())
    kind = options.pop("kind")
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    service: Imitation = {"vertex": VertexImitation, "cloudinary": CloudinaryImitation}[kind](
        **options
    )
    with service:
        print(kind, service.url, flush=True)
        signal.sigwait((signal.SIGTERM, signal.SIGINT))


if __name__ == "__main__":
    main()
