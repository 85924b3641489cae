"""A small web server that gives a class the files on a list, and nothing else."""

from __future__ import annotations

import errno
import http.server
import os
import re
import shutil
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit


def server(files: dict[str, Path], host: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server of `files` (path of the address -> file), which goes on where a download broke off.

    Raises OSError in one line when it cannot listen there.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 60

        def do_GET(self) -> None:
            path = files.get(unquote(urlsplit(self.path).path))
            if path is None:
                self.send_error(404)
                return
            size = path.stat().st_size
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(wanted[1]) if wanted else 0
            if start >= size > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if wanted else 200)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - start))
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            with path.open("rb") as stream:
                stream.seek(start)
                shutil.copyfileobj(stream, self.wfile)

        def log_message(self, format: str, *args: object) -> None:
            print(f"{self.client_address[0]} {format % args}", flush=True)

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = os.name != "nt"  # there a second server could listen at a port that is taken

        def handle_error(self, request: object, client_address: object) -> None:
            print(f"{client_address}: the line broke", flush=True)

    try:
        return Server((host, port), Handler)
    except (OSError, OverflowError) as error:
        nowhere = isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
        cure = "--host" if nowhere else "--port"
        raise OSError(f"cannot listen at {host}:{port} ({error}): choose another {cure}") from None


def local_address() -> str:
    """This machine's address in the local network; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address kept for documentation
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
