"""Run one fake service as a process of its own, until SIGTERM.

    python -m tests.fakes vertex --seconds 5 --video-bytes 20000000
    python -m tests.fakes cloudinary

It prints one line, `vertex http://127.0.0.1:9101`, once it is ready.
"""

import argparse
import signal

from tests.fakes.cloudinary import CloudinaryImitation
from tests.fakes.server import Imitation
from tests.fakes.vertex import VertexImitation


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m tests.fakes", description=__doc__)
    kinds = whole.add_subparsers(dest="kind", required=True)
    vertex = kinds.add_parser("vertex")
    vertex.add_argument("--seconds", type=float, default=0.5)
    vertex.add_argument("--video-bytes", type=int, default=4_096)
    kinds.add_parser("cloudinary")
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
