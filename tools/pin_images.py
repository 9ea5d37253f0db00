"""Replace the digests in Dockerfile and compose.yaml by those that the images' tags have today.

    python tools/pin_images.py

Needs docker with buildx, and a connection to the registry.
"""

import re
import subprocess
import sys
from pathlib import Path

PINNED = re.compile(r"([a-z]+:[\w.-]+)@sha256:[0-9a-f]{64}")
INSPECT = ("docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}")


def main() -> None:
    for name in ("Dockerfile", "compose.yaml"):
        text = Path(name).read_text()
        Path(name).write_text(PINNED.sub(_with_digest, text))


def _with_digest(found: re.Match[str]) -> str:
    tag = found[1]
    digest = subprocess.run([*INSPECT, tag], check=True, stdout=subprocess.PIPE, text=True).stdout
    if not PINNED.fullmatch(pinned := f"{tag}@{digest.strip()}"):
        sys.exit(f"{tag}: docker printed no digest: {digest!r}")
    print(pinned)
    return pinned


if __name__ == "__main__":
    main()
