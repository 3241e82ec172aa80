"""Pictures from files and URLs, blurring, and both ways of preprocessing."""

import errno
import io
import itertools
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cs231n import datasets, image_utils
from cs231n.datasets import pictures
from cs231n.drawing.placeholder import placeholder_image
from cs231n.image_utils import (
    SQUEEZENET_MEAN,
    SQUEEZENET_STD,
    blur_image,
    deprocess_image,
    image_from_url,
    load_image,
    preprocess_image,
)


def png(array, **kwargs):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG", **kwargs)
    return stream.getvalue()


@pytest.fixture
def picture():
    return np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)


# Blurring.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blur_of_ones(dtype):
    row = [0.965, 0.98, 0.965]
    expected = np.array([row, [0.98, 1, 0.98], row])
    blurred = blur_image(np.ones((1, 3, 3, 3), dtype=dtype))
    assert blurred.dtype == dtype
    np.testing.assert_allclose(blurred, np.tile(expected, (1, 3, 1, 1)), rtol=1e-6)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (2, 3, 1, 4), (1, 2, 5, 1), (2, 1, 4, 3)]
)
def test_blur_is_the_sum_of_nine_shifted_pictures(shape):
    X = np.random.default_rng(0).normal(size=shape)
    before = X.copy()
    kernel = np.array([[1, 2, 1], [2, 188, 2], [1, 2, 1]]) / 200
    expected = np.zeros(shape)
    H, W = shape[2:]
    for n, c, i, j in np.ndindex(shape):
        for di, dj in np.ndindex(3, 3):
            y, x = i + di - 1, j + dj - 1
            if 0 <= y < H and 0 <= x < W:
                expected[n, c, i, j] += kernel[di, dj] * X[n, c, y, x]
    np.testing.assert_allclose(blur_image(X), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(X, before)


def test_blur_takes_integers_and_strided_pictures():
    X = np.full((1, 4, 4, 3), 250, dtype=np.uint8).transpose(0, 3, 1, 2)
    blurred = blur_image(X)
    assert blurred.dtype == np.float64
    assert blurred[0, 0, 1, 1] == 250


def test_blur_names_a_missing_axis():
    with pytest.raises(ValueError, match=r"shape \(3, 4, 4\)"):
        blur_image(np.ones((3, 4, 4)))


# Both call styles.


def test_squeezenet_constants():
    assert SQUEEZENET_MEAN.dtype == SQUEEZENET_STD.dtype == np.float32
    np.testing.assert_array_equal(
        SQUEEZENET_MEAN, np.array([0.485, 0.456, 0.406], np.float32)
    )
    np.testing.assert_array_equal(
        SQUEEZENET_STD, np.array([0.229, 0.224, 0.225], np.float32)
    )


def test_preprocess_for_squeezenet(picture):
    before = picture.copy()
    out = preprocess_image(picture)
    assert (out.shape, out.dtype) == ((5, 7, 3), np.float32)
    expected = (picture[2, 3, 1] / 255 - 0.456) / 0.224
    assert out[2, 3, 1] == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(picture, before)


def test_squeezenet_round_trip(picture):
    back = deprocess_image(preprocess_image(picture))
    assert (back.shape, back.dtype) == ((5, 7, 3), np.uint8)
    # A fraction is cut off, so a pixel may come back one lower.
    difference = picture.astype(int) - back
    assert difference.min() >= 0
    assert difference.max() <= 1


@pytest.mark.parametrize("call", [{"rescale": True}, True, np.True_])
def test_rescale_uses_the_whole_range(call):
    args, kwargs = ((), call) if isinstance(call, dict) else ((call,), {})
    dim = preprocess_image(np.full((2, 2, 3), 100, np.uint8))
    dim[0, 0] += 0.1
    dim[1, 1] -= 0.1
    out = deprocess_image(dim, *args, **kwargs)
    assert (out.min(), out.max()) == (0, 255)
    assert deprocess_image(dim, False).max() < 110


def test_out_of_range_pixels_are_clipped():
    wild = np.array([[[-9.0, 9.0, np.nan], [np.inf, -np.inf, 0.0]]])
    out = deprocess_image(wild)
    assert out[0, 0].tolist() == [0, 255, 0]
    assert out[0, 1].tolist() == [255, 0, int(255 * SQUEEZENET_MEAN[2])]
    stretched = deprocess_image(wild, rescale=True)
    assert stretched[0, 0, :2].tolist() == [0, 255]
    old = deprocess_image(wild.transpose(2, 0, 1) * 1e3, np.zeros((3, 1, 2)))
    assert old[0, 0].tolist() == [0, 255, 0]
    huge = deprocess_image(np.full((1, 1, 3), 3e38, np.float32))
    assert huge.tolist() == [[[255, 255, 255]]]
    assert deprocess_image(np.full((1, 1, 3), np.nan), rescale=True).max() == 0


def test_a_flat_picture_is_not_stretched():
    flat = preprocess_image(np.full((2, 2, 3), 100, np.uint8))
    assert np.abs(deprocess_image(flat, rescale=True).astype(int) - 100).max() <= 1
    out = deprocess_image(np.zeros((3, 2, 2)), np.full((3, 2, 2), 7.0), renorm=True)
    assert np.all(out == 7)


@pytest.fixture
def mean_img():
    return np.random.default_rng(5).uniform(90, 140, (3, 5, 7))


def test_preprocess_of_2016(picture, mean_img):
    channels_first = picture.transpose(2, 0, 1)[None]
    for call in [
        preprocess_image(picture, mean_img),
        preprocess_image(picture, mean_img, "image"),
        preprocess_image(picture, mean_img=mean_img, mean="image"),
    ]:
        assert (call.shape, call.dtype) == ((1, 3, 5, 7), np.float32)
        np.testing.assert_allclose(call, channels_first - mean_img, atol=1e-4)
    pixel = preprocess_image(picture, mean_img, mean="pixel")
    averages = [mean_img[c].mean() for c in range(3)]
    np.testing.assert_allclose(
        pixel[0, :, 4, 6], picture[4, 6] - np.array(averages), atol=1e-4
    )
    none = preprocess_image(picture, None, mean="none")
    np.testing.assert_array_equal(none, channels_first)


@pytest.mark.parametrize("mean", ["image", "pixel", "none"])
@pytest.mark.parametrize("batched", [True, False])
def test_round_trip_of_2016(picture, mean_img, mean, batched):
    inner = preprocess_image(picture, mean_img, mean=mean)
    back = deprocess_image(inner if batched else inner[0], mean_img, mean=mean)
    assert (back.shape, back.dtype) == ((5, 7, 3), np.uint8)
    assert np.abs(picture.astype(int) - back).max() <= 1
    full = deprocess_image(inner, mean_img, mean, True)
    assert (full.min(), full.max()) == (0, 255)


def test_deprocess_of_2016_needs_no_more_than_one_keyword(picture):
    inner = picture.transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(deprocess_image(inner, mean="none"), picture)


@pytest.mark.parametrize("function", [preprocess_image, deprocess_image])
def test_bad_means_are_named(function, picture, mean_img):
    img = picture
    if function is deprocess_image:
        img = picture.transpose(2, 0, 1)[None]
    with pytest.raises(ValueError, match="mean is 'median'"):
        function(img, mean_img, mean="median")
    with pytest.raises(ValueError, match="mean='pixel' needs a mean picture"):
        function(img, mean="pixel")
    with pytest.raises(ValueError, match=r"mean_img has shape \(3, 4, 7\)"):
        function(img, mean_img[:, :4])
    with pytest.raises(ValueError, match=r"mean_img has shape \(7,\)"):
        function(img, np.zeros(7))


def test_mixed_styles_and_wrong_shapes_are_named(picture, mean_img):
    with pytest.raises(TypeError, match="one kind or the other"):
        deprocess_image(picture, mean_img, rescale=True)
    with pytest.raises(TypeError, match="rescale came twice"):
        deprocess_image(picture, True, rescale=True)
    with pytest.raises(ValueError, match=r"shape \(5, 7\)"):
        preprocess_image(picture[..., 0])
    with pytest.raises(ValueError, match=r"shape \(1, 3, 5, 7\).*mean picture"):
        deprocess_image(np.zeros((1, 3, 5, 7)))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 5, 7\).*index the batch"):
        deprocess_image(np.zeros((2, 3, 5, 7)), mean_img)


# Files.


@pytest.mark.parametrize(
    ("columns", "rows", "size", "shape"),
    [
        (1024, 768, 192, (192, 256)),
        (1280, 1014, 192, (192, 242)),
        (1200, 1528, 224, (285, 224)),
        (1071, 712, 512, (512, 770)),
        (400, 266, 64, (64, 96)),
        (49, 98, 49, (98, 49)),
        (98, 49, 1, (1, 2)),
        (5, 7, 20, (28, 20)),
    ],
)
def test_the_shorter_side_becomes_size(tmp_path, columns, rows, size, shape):
    file = tmp_path / "picture.png"
    Image.new("RGB", (columns, rows)).save(file)
    assert load_image(file).shape == (rows, columns, 3)
    assert load_image(str(file), size=size).shape == (*shape, 3)


def test_every_size_can_be_scaled(monkeypatch):
    """All 160,000 sizes up to 400 x 400, without their pixels."""

    class Framed:
        """Stands in for a picture of which only the size is of interest."""

        def resize(self, size, _method):
            rows, columns = self.shape
            assert min(size) == wanted, (self.shape, size)
            assert max(size) == max(rows, columns) * wanted // min(rows, columns)
            assert (size[0] >= size[1]) == (columns >= rows) or len(set(size)) == 1
            return np.zeros((1, 1, 3), np.uint8)

    framed = Framed()
    monkeypatch.setattr(Image, "fromarray", lambda picture: picture)
    for wanted in (1, 64, 224):
        for framed.shape in itertools.product(range(1, 401), repeat=2):
            image_utils._scale(framed, wanted)


def test_scaling_keeps_left_left_and_is_bilinear(tmp_path):
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 20:] = 240
    (tmp_path / "half.png").write_bytes(png(image))
    small = load_image(tmp_path / "half.png", size=4)
    assert small.shape == (4, 8, 3)
    assert small[:, :3].max() == 0
    assert small[:, 5:].min() == 240
    larger = load_image(tmp_path / "half.png", size=40)[0, :, 0].astype(int)
    assert np.all(np.diff(larger) >= 0)
    assert 0 < larger[39] < larger[40] < 240


def test_the_result_can_be_changed(tmp_path, picture):
    (tmp_path / "a.png").write_bytes(png(picture))
    for loaded in (load_image(tmp_path / "a.png"), load_image(tmp_path / "a.png", 3)):
        assert loaded.dtype == np.uint8
        loaded[:] = 0


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [(mode, "png") for mode in ("RGB", "RGBA", "L", "LA", "P", "1")]
    + [(mode, "jpg") for mode in ("RGB", "L", "CMYK")]
    + [("P", "gif"), ("CMYK", "tiff"), ("1", "tiff"), ("RGBA", "webp")],
)
def test_every_kind_of_file_becomes_three_channels(tmp_path, mode, suffix):
    file = tmp_path / f"picture.{suffix}"
    Image.new("RGB", (6, 4), (200, 60, 60)).convert(mode).save(file)
    loaded = load_image(file)
    assert (loaded.shape, loaded.dtype) == ((4, 6, 3), np.uint8)
    if mode in ("RGB", "RGBA", "P", "CMYK"):
        assert np.abs(loaded[0, 0].astype(int) - [200, 60, 60]).max() <= 12


def test_sixteen_bits_become_eight(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    loaded = load_image(tmp_path / "deep.png")
    np.testing.assert_array_equal(loaded[..., 1].ravel(), np.arange(256))


def test_transparent_shows_white(tmp_path):
    image = np.zeros((2, 2, 4), np.uint8)
    image[0, 0] = 10, 20, 30, 255
    (tmp_path / "clear.png").write_bytes(png(image))
    loaded = load_image(tmp_path / "clear.png")
    assert loaded[0, 0].tolist() == [10, 20, 30]
    assert loaded[1, 1].tolist() == [255, 255, 255]


def test_a_photo_taken_upright_stands_upright(tmp_path):
    image = Image.new("RGB", (6, 4))
    image.putpixel((0, 0), (255, 255, 255))
    exif = image.getexif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    image.save(tmp_path / "phone.png", exif=exif)
    loaded = load_image(tmp_path / "phone.png")
    assert loaded.shape == (6, 4, 3)
    assert loaded[0, 3].tolist() == [255, 255, 255]


def test_files_that_are_no_pictures_are_named(tmp_path, picture):
    with pytest.raises(FileNotFoundError, match=r"no picture .*cat\.jpg"):
        load_image(tmp_path / "cat.jpg")
    (tmp_path / "notes.jpg").write_text("no picture", "utf-8")
    with pytest.raises(ValueError, match=r"notes\.jpg .* format that Pillow knows"):
        load_image(tmp_path / "notes.jpg")
    big = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = png(big)
    for share in (0.3, 0.7):
        (tmp_path / "cut.png").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match=r"cut\.png is no picture that can be"):
            load_image(tmp_path / "cut.png")
    (tmp_path / "ok.png").write_bytes(png(picture))
    for bad in (0, -3, 2.5, "64", True):
        with pytest.raises(ValueError, match="size is"):
            load_image(tmp_path / "ok.png", size=bad)


def test_a_picture_of_absurd_size_is_refused(tmp_path, picture, monkeypatch):
    (tmp_path / "bomb.png").write_bytes(png(picture))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    with pytest.raises(
        ValueError, match=r"bomb\.png cannot .*7 by 5 pixels .*scale it"
    ):
        load_image(tmp_path / "bomb.png")


# URLs.


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.asked = []
        self.closing = threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, *_):
        pass  # a client that hangs up is what some tests are about


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path, server = self.path, self.server
        server.asked.append(path)
        content = server.content
        if path == "/missing.png":
            self.send_error(404)
        elif path == "/busy.png" and server.asked.count(path) == 1:
            self.send_error(503)
        elif path == "/moved.png":
            self.send_response(302)
            self.send_header("Location", "/ok.png")
            self.end_headers()
        elif path == "/slow.png":
            server.closing.wait(10)
        elif path == "/drip.png":
            self.send_response(200)
            self.end_headers()
            while not server.closing.wait(0.1):
                self.wfile.write(b"x")
        elif path == "/endless.png":
            self.send_response(200)
            self.end_headers()
            while not server.closing.is_set():
                self.wfile.write(bytes(4096))
        else:
            if path == "/page.png":
                content = b"<html>no picture here</html>"
            if path == "/text.png":
                content = b"no picture here"
            announced = len(content) * (1000 if path == "/large.png" else 1)
            self.send_response(200)
            self.send_header("Content-Length", str(announced + (path == "/cut.png")))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CS231N_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("CS231N_OFFLINE", raising=False)
    return tmp_path / "data" / "url_cache"


@pytest.fixture
def server(picture, cache, monkeypatch):
    assert not cache.exists()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    patience = replace(pictures.PATIENCE, stall=0.3, deadline=0.8, pause=0.01)
    monkeypatch.setattr(pictures, "PATIENCE", patience)
    monkeypatch.setattr(pictures, "MAX_BYTES", 50_000)
    server = Server(png(picture))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join(5)


def assert_placeholder(capsys, url, reason):
    shown = image_from_url(url)
    assert (shown.shape, shown.dtype) == ((240, 320, 3), np.uint8)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert reason in said
    return shown


def test_a_picture_is_fetched_once(server, picture, capsys, cache):
    for _ in range(2):
        np.testing.assert_array_equal(image_from_url(server.url("/ok.png")), picture)
    assert server.asked == ["/ok.png"]
    assert len(list(cache.iterdir())) == 1
    assert capsys.readouterr().out == ""


def test_a_cached_picture_needs_no_network(server, picture, monkeypatch):
    image_from_url(server.url("/ok.png"))
    monkeypatch.setenv("CS231N_OFFLINE", "1")
    np.testing.assert_array_equal(image_from_url(server.url("/ok.png")), picture)


def test_a_damaged_cache_is_fetched_again(server, picture, cache):
    image_from_url(server.url("/ok.png"))
    (file,) = cache.iterdir()
    file.write_bytes(b"half a")
    np.testing.assert_array_equal(image_from_url(server.url("/ok.png")), picture)
    assert len(server.asked) == 2
    assert file.read_bytes() == server.content


def test_redirects_are_followed(server, picture):
    np.testing.assert_array_equal(image_from_url(server.url("/moved.png")), picture)
    assert server.asked == ["/moved.png", "/ok.png"]


def test_a_busy_server_is_asked_again(server, picture):
    np.testing.assert_array_equal(image_from_url(server.url("/busy.png")), picture)
    assert len(server.asked) == 2


def test_spaces_and_letters_of_any_language_are_quoted(server, picture):
    url = server.url("/mein Bär.png?größe=1")
    np.testing.assert_array_equal(image_from_url(url), picture)
    assert server.asked == ["/mein%20B%C3%A4r.png?gr%C3%B6%C3%9Fe=1"]


@pytest.mark.parametrize(
    ("path", "reason", "asked"),
    [
        ("/missing.png", "404", 1),
        ("/slow.png", "no answer within 0.3 s", 2),
        ("/drip.png", "not all there after 0.8 s", 1),
        ("/large.png", "larger than 0.05 MB", 1),
        ("/endless.png", "larger than 0.05 MB", 1),
        ("/cut.png", "bytes came", 2),
        ("/page.png", "a web page", 1),
        ("/text.png", "no readable picture", 1),
    ],
)
def test_a_failed_fetch_gives_a_placeholder(server, cache, capsys, path, reason, asked):
    assert_placeholder(capsys, server.url(path), reason)
    assert server.asked == [path] * asked
    assert not cache.exists()


def test_a_refused_connection_gives_a_placeholder(server, capsys):
    url = server.url("/ok.png")
    server.shutdown()
    server.server_close()
    assert_placeholder(capsys, url, "the connection failed")


def test_offline_nothing_is_asked(server, capsys, monkeypatch):
    monkeypatch.setenv("CS231N_OFFLINE", "1")
    assert_placeholder(capsys, server.url("/ok.png"), "CS231N_OFFLINE")
    assert server.asked == []
    monkeypatch.setenv("CS231N_OFFLINE", "0")
    assert image_from_url(server.url("/ok.png")).shape == (5, 7, 3)


def test_a_full_disk_does_not_lose_the_picture(server, picture, cache, monkeypatch):
    @contextmanager
    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield path

    monkeypatch.setattr(pictures, "replacing", full)
    np.testing.assert_array_equal(image_from_url(server.url("/ok.png")), picture)
    assert not cache.exists()


def test_no_folder_to_write_to_does_not_lose_the_picture(server, picture, monkeypatch):
    def refuse():
        raise PermissionError("read-only")

    monkeypatch.setattr(datasets, "cache_dir", refuse)
    np.testing.assert_array_equal(image_from_url(server.url("/ok.png")), picture)


def test_the_cache_stays_small(server, cache, monkeypatch):
    monkeypatch.setattr(pictures, "CACHED_FILES", 3)
    for n in range(6):
        image_from_url(server.url(f"/ok.png?{n}"))
    assert len(list(cache.iterdir())) == 3


def test_local_files_are_read(tmp_path, picture, monkeypatch):
    (tmp_path / "my cat.png").write_bytes(png(picture))
    monkeypatch.chdir(tmp_path)
    for url in [
        "my cat.png",
        str(tmp_path / "my cat.png"),
        (tmp_path / "my cat.png").as_uri(),
        Path("my cat.png"),
    ]:
        np.testing.assert_array_equal(image_from_url(url), picture)


def test_a_drive_letter_is_no_scheme(capsys):
    assert_placeholder(capsys, r"C:\photos\cat.jpg", "no such file")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nowhere.jpg", "no such file"),
        ("file:///nowhere/cat.jpg", "no such file"),
        ("", "empty"),
        (".", "cannot be read"),
        ("ftp://example.org/cat.jpg", "ftp://"),
        ("http://[bad/cat.jpg", "ValueError"),
        ("nul\0.jpg", "null"),
        ("two\nlines \ud800.jpg", "No picture from two lines"),
        ("x" * 9000, "x..."),
        (None, "no such file"),
    ],
)
def test_whatever_is_no_picture_gives_a_placeholder(
    capsys, tmp_path, monkeypatch, url, reason
):
    monkeypatch.chdir(tmp_path)
    assert_placeholder(capsys, url, reason)


def test_scenes_are_drawn(capsys):
    scenes = pytest.importorskip("cs231n.drawing.scenes.scene")
    scene = scenes.random_scene(np.random.default_rng(0))
    drawn = image_from_url(scene.url)
    np.testing.assert_array_equal(drawn, scenes.draw(scene))
    assert capsys.readouterr().out == ""
    assert_placeholder(capsys, "scene://nonsense?", "scene")


def test_the_placeholder_says_why(capsys, tmp_path):
    one = placeholder_image("there is no such file", "cat.jpg")
    assert one.shape == (240, 320, 3)
    assert one.dtype == np.uint8
    assert not np.array_equal(one, placeholder_image("no answer", "cat.jpg"))
    assert not np.array_equal(
        one, placeholder_image("there is no such file", "dog.jpg")
    )
    url = str(tmp_path / "cat.jpg")
    shown = assert_placeholder(capsys, url, "no such file")
    np.testing.assert_array_equal(
        shown, placeholder_image("there is no such file", url)
    )


def test_the_text_stays_inside_the_card():
    full = placeholder_image("a long reason " * 40, "http://example.org/" + "x" * 900)
    # The strips between card and edge, and between text and the card's border.
    for strip in (
        full[234:],
        full[30:210, :7],
        full[30:210, 14:22],
        full[221:226, 30:290],
    ):
        assert np.ptp(strip.reshape(-1, 3), axis=0).max() <= 2
