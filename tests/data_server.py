"""A server on loopback that serves files well, or badly on command."""

import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"<!DOCTYPE html><html><body>We have moved.</body></html>"


@dataclass
class Way:
    """How a file is served.

    Attributes:
        status: Answered instead of the file.
        redirect: Where the client is sent.
        stall: The byte after which nothing comes any more.
        cut: The byte after which the connection breaks, if ``cuts`` are left.
        cuts: How often it breaks.
        page: A web page is sent; ``typed`` says so in its header.
        ranges: Whether a part of the file can be asked for.
        ignores: Whether a part is asked for in vain: its header says one part, the
            bytes are those of the begin.
        version: ETag; None sends none.
        length: Whether the length is announced; else the end of the connection ends it.
        chunked: Whether it comes in chunks.
        pause: Seconds before each of ``pieces``.
        pieces: How many pieces it comes in.
    """

    status: int = 0
    redirect: str = ""
    stall: int | None = None
    cut: int | None = None
    cuts: int = 10**9
    page: bool = False
    typed: bool = True
    ranges: bool = True
    ignores: bool = False
    version: str | None = '"1"'
    length: bool = True
    chunked: bool = False
    pause: float = 0.0
    pieces: int = 1


@dataclass
class Server:
    """What is served, how, and what was asked for: (path, Range header)."""

    files: dict
    ways: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)
    url: str = ""
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(files):
    """Serve files by name until the block ends; yields the Server."""
    server = Server(dict(files))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_GET(self):
            # A client that was killed is no news.
            self.close_connection = True
            with suppress(OSError):
                _answer(self, server)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        server.stop.set()
        http.shutdown()
        http.server_close()
        thread.join()


def _answer(handler, server):
    name = handler.path.lstrip("/")
    asked = handler.headers.get("Range")
    server.asked.append((name, asked))
    way = server.ways.get(name, Way())
    content = server.files.get(name)
    if way.redirect:
        handler.send_response(302)
        handler.send_header("Location", way.redirect)
        handler.send_header("Connection", "close")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if way.status or (content is None and not way.page):
        handler.send_error(way.status or 404)
        return
    start = 0
    if way.page:
        content = PAGE
    elif asked and way.ranges:
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        condition = handler.headers.get("If-Range")
        if condition is not None and condition != way.version:
            start = 0
    if start >= len(content) and start:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    if start:
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.send_header("Content-Range", span)
    html = way.page and way.typed
    handler.send_header("Content-Type", "text/html" if html else "application/zip")
    if way.version:
        handler.send_header("ETag", way.version)
    if way.chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    elif way.length:
        handler.send_header("Content-Length", str(len(content) - start))
    handler.send_header("Connection", "close")
    handler.end_headers()
    _send(handler, server, way, content, start)


def _send(handler, server, way, content, start):
    end = len(content)
    if way.stall is not None:
        end = way.stall
    elif way.cut is not None and way.cuts > 0:
        way.cuts -= 1
        end = way.cut
    wrong = way.ignores and start
    step = -(-len(content) // way.pieces) or 1
    for k in range(start, max(end, start), step):
        piece = content[k : min(k + step, end)]
        if wrong:
            piece = content[k - start : k - start + len(piece)]
        if way.pause:
            time.sleep(way.pause)
        if way.chunked:
            piece = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        handler.wfile.write(piece)
        handler.wfile.flush()
    if way.stall is not None:
        server.stop.wait(30)
    elif way.chunked and end == len(content):
        handler.wfile.write(b"0\r\n\r\n")
