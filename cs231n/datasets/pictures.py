"""Pictures by name: drawn, read or fetched, and a placeholder where that fails."""

import contextlib
import hashlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cs231n import datasets
from cs231n.support.files import replacing
from cs231n.support.picture_files import Picture, decode

if TYPE_CHECKING:
    from http.client import HTTPResponse

    from PIL import ImageDraw, ImageFont

    Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont

TIMEOUT = 5.0  # seconds that a server may be silent
DEADLINE = 15.0  # seconds for one picture, attempts and pauses included
ATTEMPTS = 2
PAUSE = 0.5  # seconds between attempts
MAX_BYTES = 20_000_000  # of one picture
CACHED_FILES = 500  # pictures kept on disk; the oldest go first


def image_from_url(url: str) -> Picture:
    """Get the picture that a URL names, or a placeholder that says why not.

    ``scene://…`` is drawn, ``http(s)://…`` fetched and kept on disk, ``file://…`` and
    plain paths read. Whatever goes wrong is printed in one line and written on the
    placeholder; nothing is raised. With ``CS231N_OFFLINE=1`` the network is left alone.

    Returns:
        (H, W, 3) pixels.

    Example:
        >>> image_from_url("scene://beach/red-car-m5080?0").shape
        (240, 320, 3)
        >>> placeholder = image_from_url("scene://moon")
        No picture from scene://moon (...): showing a placeholder.
    """
    url = str(url).strip()
    try:
        return _picture_at(url)
    except Exception as error:  # a notebook must go on, whatever a server sends
        known = isinstance(error, _NoPictureError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        said = f"No picture from {_shorten(url)} ({_shorten(reason)})"
        # A terminal may not know every letter; printing must not raise either.
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        said = said.encode(encoding, "backslashreplace").decode(encoding)
        print(f"{said}: showing a placeholder.")
        return placeholder_image(reason, url)


def placeholder_image(reason: str, url: str = "") -> Picture:
    """Draw a card that stands for a picture and says why it is missing.

    Args:
        reason: One short sentence.
        url: What was asked for.

    Returns:
        (240, 320, 3) pixels.
    """
    from PIL import Image, ImageDraw

    zoom = 3  # drawn large, then reduced: that smooths every edge
    ink, soft, line = (52, 58, 72), (122, 130, 146), (208, 213, 223)
    card = Image.new("RGB", (320 * zoom, 240 * zoom), (236, 239, 244))
    draw = ImageDraw.Draw(card)

    def scaled(*numbers: float) -> list[float]:
        return [zoom * number for number in numbers]

    draw.rounded_rectangle(
        scaled(10, 10, 310, 230), scaled(12)[0], fill="white", outline=line, width=zoom
    )
    _draw_torn_picture(draw, zoom, line)
    y = 99.0
    y = _write(draw, zoom, y, "Picture not available", 17, ink, lines=1)
    y = _write(draw, zoom, y + 5, reason, 12, ink, lines=3)
    _write(draw, zoom, y + 6, url, 10, soft, lines=3)
    return np.array(card.resize((320, 240), Image.Resampling.LANCZOS))


class _NoPictureError(Exception):
    """Why there is no picture, in words for a reader."""


def _shorten(text: str) -> str:
    """Return text in one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _picture_at(url: str) -> Picture:
    """Get a picture or raise; _NoPictureError has the reason in plain words."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    scheme = urlsplit(url).scheme.lower()
    if scheme == "scene":
        from cs231n.drawing.scenes import scene

        return np.array(scene.draw(scene.scene_from_url(url)), dtype=np.uint8)
    if scheme in ("http", "https"):
        return _picture_from_network(url)
    # One letter is a drive, as in C:\photos\cat.jpg.
    if len(scheme) > 1 and scheme != "file":
        raise _NoPictureError(f"{scheme}:// is not a kind of URL that can be fetched")
    path = url2pathname(urlsplit(url).path) if scheme == "file" else url
    if not path:
        raise _NoPictureError("the URL is empty")
    try:
        return decode(Path(path).read_bytes())
    except FileNotFoundError as error:
        raise _NoPictureError("there is no such file") from error
    except OSError as error:
        raise _NoPictureError(f"the file cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _NoPictureError(f"the file is no readable picture: {error}") from error


def _picture_from_network(url: str) -> Picture:
    """Return the picture from the disk if it was fetched before, else fetch it."""
    cached: Path | None = None
    with contextlib.suppress(OSError):  # no folder to write to: go without
        name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        cached = datasets.cache_dir() / "url_cache" / name
    if cached is not None:
        with contextlib.suppress(OSError, ValueError):  # absent or damaged: fetch
            return decode(cached.read_bytes())
    if datasets.offline():
        raise _NoPictureError("CS231N_OFFLINE is set, so nothing is fetched")
    content = _fetch(url)
    try:
        picture = decode(content)
    except ValueError as error:
        raise _NoPictureError(f"what came is no readable picture: {error}") from error
    if cached is not None:
        with contextlib.suppress(OSError):  # a full disk must not lose the picture
            with replacing(cached) as draft:
                draft.write_bytes(content)
            _drop_oldest(cached.parent)
    return picture


def _drop_oldest(folder: Path) -> None:
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    if len(files) > CACHED_FILES:
        files.sort(key=lambda file: file.stat().st_mtime)
        for file in files[:-CACHED_FILES]:
            file.unlink(missing_ok=True)


def _fetch(url: str) -> bytes:
    """Return what the server sends.

    Raises:
        _NoPictureError: If it sends nothing of use, or not in time.
    """
    import urllib.error
    import urllib.request
    from http.client import HTTPException
    from urllib.parse import quote

    request = urllib.request.Request(
        quote(url, safe="%/:=&?~#+!$,;'@()*[]"),
        headers={"User-Agent": "cs231n-assignment3", "Accept": "image/*,*/*;q=0.5"},
    )
    start = time.monotonic()
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        left = start + DEADLINE - time.monotonic()
        if left <= 0:
            break
        try:
            with urllib.request.urlopen(request, timeout=min(TIMEOUT, left)) as answer:
                return _read(answer, start + DEADLINE)
        except urllib.error.HTTPError as error:  # before URLError, its base class
            reason = f"the server answered {error.code} {error.reason}"
            error.close()
            if error.code < 500 and error.code != 429:  # asking again will not help
                break
        except (OSError, HTTPException) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, TimeoutError):
                reason = f"no answer within {TIMEOUT:g} s"
            else:
                reason = f"no connection: {cause}"
    raise _NoPictureError(reason)


def _read(answer: "HTTPResponse", deadline: float) -> bytes:
    """Read an answer piece by piece, to stop when it is too long or too slow."""
    too_large = _NoPictureError(f"larger than {MAX_BYTES / 1e6:g} MB")
    announced = answer.headers.get("Content-Length", "")
    wanted = int(announced) if announced.isdecimal() else None
    if wanted is not None and wanted > MAX_BYTES:
        raise too_large
    content = bytearray()
    while piece := answer.read1(1 << 16):
        content += piece
        if len(content) > MAX_BYTES:
            raise too_large
        if time.monotonic() > deadline:
            raise _NoPictureError(f"not all there after {DEADLINE:g} s")
    if wanted is not None and len(content) < wanted:
        raise ConnectionError(f"only {len(content)} of {wanted} bytes came")
    return bytes(content)


def _draw_torn_picture(
    draw: "ImageDraw.ImageDraw", zoom: int, line: tuple[int, int, int]
) -> None:
    """Draw a small landscape in a frame, torn in two."""
    left, top, right, bottom = (zoom * n for n in (116, 24, 204, 88))
    sky, hill, near, sun = (226, 236, 247), (150, 178, 190), (112, 146, 150), "#f2b84b"
    draw.rectangle((left, top, right, bottom), fill=sky)
    x, y, radius = left + 64 * zoom, top + 18 * zoom, 8 * zoom
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=sun)
    for colour, points in (
        (hill, [(0, 64), (0, 52), (26, 22), (58, 64)]),
        (near, [(26, 64), (62, 34), (88, 56), (88, 64)]),
    ):
        draw.polygon(
            [(left + zoom * a, top + zoom * b) for a, b in points], fill=colour
        )
    draw.rectangle((left, top, right, bottom), outline=line, width=2 * zoom)
    tear = [(44, -4), (38, 12), (48, 26), (38, 42), (46, 54), (40, 68)]
    edge = [(left + zoom * a, top + zoom * b) for a, b in tear]
    other = [(x + 7 * zoom, y) for x, y in reversed(edge)]
    draw.polygon(edge + other, fill="white")


def _write(
    draw: "ImageDraw.ImageDraw",
    zoom: int,
    y: float,
    text: str,
    size: int,
    colour: tuple[int, int, int],
    lines: int,
) -> float:
    """Write centred text, broken into at most ``lines``; return where the next goes."""
    font = _font(size * zoom)
    # The built-in font knows Latin letters only; the rest is spelled out.
    text = " ".join(
        text.encode("latin-1", "backslashreplace").decode("latin-1").split()
    )
    for row in _wrap(draw, text, font, 270 * zoom, lines):
        width = draw.textlength(row, font=font)
        draw.text((160 * zoom - width / 2, y * zoom), row, fill=colour, font=font)
        y += size * 1.3
    return y


def _font(size: int) -> "Font":
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except ImportError:  # a Pillow built without FreeType has one small font
        return ImageFont.load_default()


def _wrap(
    draw: "ImageDraw.ImageDraw", text: str, font: "Font", width: float, lines: int
) -> list[str]:
    """Break text into rows, after a space or the like where the last third has one."""
    text = text[:500]
    rows: list[str] = []
    while text and len(rows) < lines:
        end = min(len(text), 150)  # more never fits
        while end > 1 and draw.textlength(text[:end], font=font) > width:
            end -= 1
        if end < len(text):
            gap = max(text.rfind(mark, 2 * end // 3, end) for mark in " /_-")
            end = gap + 1 if gap > 0 else end
        rows.append(text[:end].rstrip())
        text = text[end:].lstrip()
    if text and rows:
        rows[-1] = rows[-1][:-3].rstrip() + "..."
    return rows
