"""Serve examples/frontend from another origin, with the policy that its README gives."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.run import PROJECT

FOLDER = PROJECT / "examples" / "frontend"
[POLICY] = re.findall(
    r"^Content-Security-Policy: (.+)$", (FOLDER / "README.md").read_text(), re.MULTILINE
)


class FrontEnd(ThreadingHTTPServer):
    """The page, configured for the service at `studio_url` once that is known."""

    studio_url = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(SimpleHTTPRequestHandler):
    server: FrontEnd

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, directory=str(FOLDER), **options)

    def do_GET(self) -> None:
        if self.path == "/config.js":
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.end_headers()
            self.wfile.write(f"export const STUDIO_URL = '{self.server.studio_url}';".encode())
        else:
            super().do_GET()

    def end_headers(self) -> None:
        policy = POLICY.replace("https://studio.example.com", self.server.studio_url)
        self.send_header("Content-Security-Policy", policy)
        super().end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Log nothing: the test's own output is enough."""


@contextmanager
def serve_front_end() -> Iterator[FrontEnd]:
    with FrontEnd() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
