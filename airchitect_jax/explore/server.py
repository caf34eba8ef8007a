"""The server of the page: loopback only, for one user.

Other sites cannot use it: requests must name this machine (names that others resolve to it are
refused), files are accepted from the page alone, and the page may load nothing from elsewhere. One
answer is computed at a time. A request whose sender has left is dropped, also while it is computed,
so that the newest position of a slider does not wait for those before it.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib.resources
import json
import pathlib
import select
import socket
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from airchitect_jax._support import one_line
from airchitect_jax.explore.answers import Answers
from airchitect_jax.explore.question import MAX_MACS, MAX_SRAM_KB, Question
from airchitect_jax.explore.workloads import FILE_SUFFIXES, Workloads
from airchitect_jax.reporting import stylesheet
from airchitect_jax.workloads import load_network, network_names
from airchitect_jax.workloads.binding import UnboundDimsError

MOST_FILE_BYTES = 256 << 20
_LOCAL = ("localhost", "127.0.0.1")
_TIMEOUT = 60.0  # seconds that a silent connection stays open
_TABLE_EM = 60  # what the table of layers needs
_CSS = "text/css; charset=utf-8"
_ASSETS = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/explore.css": ("explore.css", _CSS),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in ("explore", "answer", "controls", "plot", "text")
    },
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _LeftError(Exception):
    """The sender of a request has left."""


class Server(http.server.ThreadingHTTPServer):
    """The page and its answers at http://127.0.0.1:PORT/.

    Args:
      port: 0 for any free one.

    Raises:
      OSError: the port is in use or not allowed.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0) -> None:
        self.workloads = Workloads()
        self.answers = Answers(self.workloads)
        self.work = threading.Lock()  # held while something is read or computed
        super().__init__(("127.0.0.1", port), _Handler)

    def link(self, question: Sequence[tuple[str, str]] = ()) -> str:
        """The link of a question, by the names of the flags."""
        query = urllib.parse.urlencode(question)
        return f"http://127.0.0.1:{self.server_port}/" + (f"?{query}" if query else "")


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        self._respond(self._post)

    def log_message(self, *_: object) -> None:
        """Says nothing: the terminal is for errors."""

    def _respond(self, route: Any) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError, _LeftError):
            try:
                if _host(self.headers.get("Host", "")) not in _LOCAL:
                    self._refuse(HTTPStatus.FORBIDDEN, "Host: expected localhost or 127.0.0.1")
                elif self._is_foreign():
                    self._refuse(HTTPStatus.FORBIDDEN, "Sec-Fetch-Site: only links from elsewhere")
                else:
                    route(urllib.parse.urlsplit(self.path))
            except UnboundDimsError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error), dims=error.proposed)
            except (ValueError, ImportError) as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            except (ConnectionError, TimeoutError, _LeftError):
                self.close_connection = True
                raise
            except Exception:  # a bug: its trace is printed by the base class
                self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug; the terminal has its trace")
                raise

    def _is_foreign(self) -> bool:
        """Whether a page of another site loads this without showing it."""
        site, mode = (self.headers.get(f"Sec-Fetch-{name}") for name in ("Site", "Mode"))
        return site == "cross-site" and mode != "navigate"

    def _get(self, url: urllib.parse.SplitResult) -> None:
        if url.path == "/page.css":
            self._send(HTTPStatus.OK, stylesheet([_TABLE_EM]).encode(), _CSS)
        elif url.path in _ASSETS:
            name, kind = _ASSETS[url.path]
            folder = importlib.resources.files("airchitect_jax.explore")
            self._send(HTTPStatus.OK, (folder / name).read_bytes(), kind)
        elif url.path == "/limits":
            self._send_json(HTTPStatus.OK, _limits())
        elif url.path == "/answer":
            with self.server.work:
                self._stop_if_left()
                answer = self.server.answers.answer(
                    Question.of_query(url.query), self._stop_if_left
                )
            self._send_json(HTTPStatus.OK, answer)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"{one_line(url.path, 80)}: there is no such page")

    def _post(self, url: urllib.parse.SplitResult) -> None:
        self.close_connection = True  # whoever is refused may still be sending
        length = self.headers.get("Content-Length", "")
        if url.path != "/files":
            self._refuse(HTTPStatus.NOT_FOUND, f"{one_line(url.path, 80)}: there is no such page")
        elif self.headers.get("Origin") != f"http://{self.headers['Host']}":
            self._refuse(HTTPStatus.FORBIDDEN, "Origin: files are accepted from this page only")
        elif not length.isascii() or not length.isdecimal():
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "Content-Length: expected a number of bytes")
        elif len(length) > 15 or int(length) > MOST_FILE_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the file is larger than {MOST_FILE_BYTES >> 20} MB; start the page with it:"
                " airchitect explore --workload=FILE",
            )
        else:
            name = pathlib.PurePath(dict(urllib.parse.parse_qsl(url.query)).get("name", "")).name
            data = self.rfile.read(int(length))
            if len(data) < int(length):
                raise ConnectionError
            with self.server.work:
                file = self.server.workloads.add(name, data)
            self._send_json(HTTPStatus.OK, {"file": file, "workload": name})

    def _stop_if_left(self, *_: object) -> None:
        """Ends the work of a request whose sender has closed the connection."""
        readable = select.select([self.connection], [], [], 0)[0]
        if readable and not self.connection.recv(1, socket.MSG_PEEK):
            raise _LeftError

    def _refuse(self, status: HTTPStatus, line: str, **more: object) -> None:
        self._send_json(status, {"error": one_line(line), **more})

    def _send_json(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        data = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
        self._send(status, data, "application/json")

    def _send(self, status: HTTPStatus, data: bytes, kind: str) -> None:
        self.send_response(status)
        for name, text in _HEADERS.items():
            self.send_header(name, text)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)


def _host(header: str) -> str:
    """The name in a Host header, whose port may be that of a tunnel."""
    return header.partition(":")[0].lower()


def _limits() -> dict[str, Any]:
    """What the controls of the page offer."""
    networks = [load_network(name) for name in network_names()]
    return {
        "networks": [
            {"name": network.name, "layers": len(network.layers), "macs": network.macs}
            for network in networks
        ],
        "file_suffixes": FILE_SUFFIXES,
        "most_file_bytes": MOST_FILE_BYTES,
        "max_macs": MAX_MACS,
        "max_sram_kb": MAX_SRAM_KB,
    }
