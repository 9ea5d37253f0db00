"""The files of the Docker image in a folder, by the rules of .dockerignore."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.run import PROJECT


def image_files(folder: Path) -> Path:
    """Copy the files below `folder`."""
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    archive = folder / "context.tar"
    with tarfile.open(archive, "w") as context:
        for line in lines:
            if line.startswith("!"):
                context.add(PROJECT / line[1:], arcname=line[1:])
    with tarfile.open(archive) as context:
        context.extractall(folder / "image", filter="data")
    return folder / "image"


def collect_static_files(image: Path) -> None:
    """Run the Dockerfile's collectstatic, which has no key and no database."""
    dockerfile = (PROJECT / "Dockerfile").read_text()
    [command] = re.findall(r"\S+ python manage\.py collectstatic.*", dockerfile)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}"
    subprocess.run(command, shell=True, cwd=image, env={"PATH": path}, check=True)
