"""Parse a multipart/form-data body. The file stays a view of the body, since chunks have 6 MB."""

import re
from dataclasses import dataclass, field
from typing import Self

from tests.fakes.server import Request

NAME = re.compile(r'[; ]name="([^"]*)"')
FILENAME = re.compile(r'[; ]filename="([^"]*)"')
UNSIGNED = ("api_key", "cloud_name", "resource_type", "signature")


@dataclass
class Form:
    fields: dict[str, list[str]] = field(default_factory=dict)
    file: memoryview | None = None
    filename: str = ""

    @classmethod
    def of(cls, request: Request) -> Self:
        """A body of another type is an empty form."""
        form = cls()
        boundary = re.search(r'boundary="?([^";]+)', request.headers.get("Content-Type") or "")
        if boundary:
            form._read(request.body, b"\r\n--" + boundary[1].encode())
        return form

    def get(self, name: str) -> str:
        return ",".join(self.fields.get(name, []))

    def string_to_sign(self) -> str:
        """Signature version 2: `k=v` sorted, & inside one as %26.

        A list arrives as several `k[]`, and is signed as `k` with commas.
        """
        names = [name for name in self.fields if name not in UNSIGNED and self.get(name)]
        pairs = [f"{name.removesuffix('[]')}={self.get(name)}" for name in names]
        return "&".join(sorted(pair.replace("&", "%26") for pair in pairs))

    def _read(self, body: bytes, delimiter: bytes) -> None:
        at = len(delimiter) - 2  # the first delimiter has no line break before it
        while body[at : at + 2] == b"\r\n":
            start = body.index(b"\r\n\r\n", at) + 4
            end = body.index(delimiter, start)
            self._add(body[at:start].decode(), body, start, end)
            at = end + len(delimiter)

    def _add(self, head: str, body: bytes, start: int, end: int) -> None:
        name, filename = NAME.search(head), FILENAME.search(head)
        if filename:
            self.file, self.filename = memoryview(body)[start:end], filename[1]
        elif name:
            self.fields.setdefault(name[1], []).append(body[start:end].decode())
