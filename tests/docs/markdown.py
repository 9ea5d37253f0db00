"""Parse the documentation: fenced blocks, headings, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block; `answers` is whether it stands right below the block before it."""

    line: int
    language: str
    text: str
    answers: bool


def blocks(file: Path) -> Iterator[Block]:
    text, end = file.read_text(), 0
    for fence in FENCE.finditer(text):
        between = text[end : fence.start()]
        yield Block(
            line=text.count("\n", 0, fence.start()) + 1,
            language=fence[1],
            text=fence[2],
            answers=bool(end) and not between.strip(),
        )
        end = fence.end()


def prose(file: Path) -> str:
    """The text without its fenced blocks."""
    return FENCE.sub("", file.read_text())


def links(file: Path) -> list[str]:
    return LINK.findall(prose(file))


def anchors(file: Path) -> set[str]:
    """The names under which a browser finds the headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in HEADING.findall(prose(file))
    }


def table(file: Path, first: str) -> list[list[str]]:
    """The rows below the header whose first cell is `first`."""
    rows: list[list[str]] = []
    inside = False
    for line in file.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("|"):
            inside = False
        elif cells[0].strip("| ") == first:
            inside = True
        elif inside and not line.startswith("|---"):
            rows.append(cells)
    return rows
