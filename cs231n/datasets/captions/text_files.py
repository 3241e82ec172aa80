"""Captions in text: token files, tables with a header, lists of a part's pictures."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cs231n.datasets.captions.annotations import (
    ADVICE,
    PARTS,
    AnnotationError,
    Annotations,
    part_in,
)

# 1000268201_693b08cb0e.jpg#0<tab>A child in a pink dress is climbing up stairs .
_TOKEN = re.compile(r"(?P<picture>[^\t]+)#\d+\t(?P<caption>.*)")
_PICTURES = {
    *("picture", "image", "photo", "file", "filename", "file_name", "path", "name"),
    *("image_name", "picture_name", "photo_name", "image_id", "image_path", "filepath"),
    *("id", "img", "image_file", "picture_file"),
}
_CAPTION = re.compile(r"(captions?|comments?|sentences?|texts?|descriptions?)_?\d*")
_NUMBERS = {"comment_number", "caption_number", "sentid"}
_SPLITS = {"split", "part", "set"}
SUFFIXES = {
    *(".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".ppm"),
    *(".jfif", ".avif", ".jp2"),
}
"""What the names of picture files end in."""
_SWALLOWED = re.compile(r"\n[^\n]*\.(jpe?g|png|gif|bmp|tiff?|webp)\b", re.IGNORECASE)


def read(text: str, file: Path) -> Annotations:
    """Read captions in text.

    Args:
        text: The file's content.
        file: Its name, for messages and for the part that it may speak of.

    Raises:
        AnnotationError: If it is of no kind that is known.
    """
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if not lines:
        raise AnnotationError(f"{file} is empty; {ADVICE}.")
    if _TOKEN.fullmatch(lines[0]):
        return _tokens(lines)
    if columns := _table(lines[0]):
        return _rows(text, file, *columns)
    if all(PurePosixPath(line.strip()).suffix.lower() in SUFFIXES for line in lines):
        return _list(lines, file)
    raise AnnotationError(
        f"{file} begins with {lines[0][:60]!r}, which is no file of captions that is "
        f"known; {ADVICE}."
    )


def _tokens(lines: Sequence[str]) -> Annotations:
    result = Annotations("token file")
    for number, line in enumerate(lines, start=1):
        if found := _TOKEN.fullmatch(line):
            result.add(found["picture"], found["caption"], f"line {number}")
        else:
            result.broken.append(f"line {number} is not picture#number, tab, caption")
    return result


def _list(lines: Sequence[str], file: Path) -> Annotations:
    """Read the names of the pictures of a part, such as Flickr_8k.trainImages.txt."""
    if not (part := part_in(file.name)):
        raise AnnotationError(
            f"{file} lists pictures, but its name does not say of which part; put "
            "train, val, dev or test in it."
        )
    result = Annotations(f"list of {part}")
    for line in lines:
        result.place(line.strip(), part, file)
    return result


def _table(header: str) -> tuple[str, int, list[int], int | None] | None:
    """Return a table's delimiter, and the places of picture, captions and part."""
    for delimiter in ("\t", "|", ",", ";"):
        cells = next(csv.reader([header], delimiter=delimiter), [])
        names = [re.sub(r"[ -]+", "_", cell.strip().lower()) for cell in cells]
        pictures = [k for k, name in enumerate(names) if name in _PICTURES]
        captions = [
            k
            for k, name in enumerate(names)
            if _CAPTION.fullmatch(name) and name not in _NUMBERS
        ]
        # A file's name tells more than an id that stands beside it.
        pictures.sort(key=lambda k: names[k] in {"id", "image_id", "name"})
        if pictures and captions:
            split = next((k for k, name in enumerate(names) if name in _SPLITS), None)
            return delimiter, pictures[0], captions, split
    return None


def _rows(
    text: str,
    file: Path,
    delimiter: str,
    picture: int,
    captions: Sequence[int],
    split: int | None,
) -> Annotations:
    result = Annotations({"\t": "tsv", "|": "table with |"}.get(delimiter, "csv"))
    # Flickr30k's table has lone quotation marks in it, and needs none.
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if delimiter == "|" else csv.QUOTE_MINIMAL,
    )
    try:
        next(reader)
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            where = f"line {reader.line_num}"
            if len(row) <= max(picture, captions[0]):
                result.broken.append(f"{where} has too few columns")
                continue
            name = row[picture].strip()
            given = [row[k] for k in captions if k < len(row) and row[k].strip()]
            if any(_SWALLOWED.search(caption) for caption in given):
                raise AnnotationError(
                    f"{file}, {where}: a caption goes on over the next pictures, since "
                    "a quotation mark before it has no partner; mend that."
                )
            for caption in given or [""]:
                result.add(name, caption, where)
            if name in result.captions and split is not None and split < len(row):
                _place(result, name, row[split], file, where)
    except csv.Error as error:
        raise AnnotationError(
            f"{file}, line {reader.line_num}: {error}; mend that line or save the "
            "table again as csv."
        ) from error
    return result


def _place(
    result: Annotations, picture: str, said: str, file: Path, where: str
) -> None:
    part = said.strip().lower()
    if not part:
        return
    if part not in PARTS:
        raise AnnotationError(
            f"{file}, {where}: there is no part {part!r}; write train, val or test."
        )
    result.place(picture, PARTS[part], file)
