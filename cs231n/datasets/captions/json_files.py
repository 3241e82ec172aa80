"""Captions in JSON: COCO's own files, and Karpathy's of COCO, Flickr8k and Flickr30k.

A file of 100 MB becomes a gigabyte of dicts. So each object is cut down to what is
wanted as soon as it has been parsed.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from cs231n.datasets.captions.annotations import (
    ADVICE,
    PARTS,
    AnnotationError,
    Annotations,
    part_in,
)

_TOP = ("images", "annotations")
_PICTURE = ("id", "file_name", "filename", "filepath", "split", "sentences")


class _Caption(NamedTuple):
    picture: Any
    caption: Any


class _Other(NamedTuple):
    """What stands where captions should, such as outlines of things."""

    keys: tuple[str, ...]


def read(text: str, file: Path) -> Annotations:
    """Read captions in JSON.

    Args:
        text: The file's content.
        file: Its name, for messages and for the part that it may speak of.

    Raises:
        AnnotationError: If it is no JSON, or JSON of something else.
    """
    try:
        content = json.loads(text, object_hook=_cut_down)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(
            f"{file} is no whole JSON file ({error}); fetch it again, or {ADVICE}."
        ) from error
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise AnnotationError(f"{file} has no list of images; {ADVICE}.")
    named = [image for image in images if isinstance(image, dict)]
    if any("sentences" in image for image in named):
        result = _karpathy(named, file)
    else:
        result = _coco(named, content.get("annotations"), file)
    if unnamed := len(images) - len(named):
        result.broken.append(f"{unnamed} of {len(images)} images have no file name")
    return result


def _cut_down(entry: dict[str, Any]) -> Any:
    if "images" in entry:
        return {key: entry[key] for key in _TOP if key in entry}
    if "caption" in entry and "image_id" in entry:
        return _Caption(entry["image_id"], entry["caption"])
    if "raw" in entry:  # one of Karpathy's sentences
        return entry["raw"]
    if "file_name" in entry or "filename" in entry:
        return {key: entry[key] for key in _PICTURE if key in entry}
    return _Other(tuple(entry)[:9])


def _coco(images: list[dict[str, Any]], entries: Any, file: Path) -> Annotations:
    if not isinstance(entries, list):
        raise AnnotationError(f"{file} has no list of annotations; {ADVICE}.")
    if entries and not any(isinstance(entry, _Caption) for entry in entries):
        raise AnnotationError(
            f"{file} has annotations without captions, such as COCO's instances or "
            f"keypoints; {ADVICE}."
        )
    result = Annotations("COCO json")
    names: dict[Any, str] = {}
    for image in images:
        name, number = image.get("file_name"), image.get("id")
        if not isinstance(name, str) or not isinstance(number, int | str):
            result.broken.append(f"image {number!r} has no file_name or no id")
        elif names.setdefault(number, name) != name:
            raise AnnotationError(
                f"{file} gives the id {number} to {names[number]} and to {name}; give "
                "each picture its own."
            )
    if twice := len(names) - len(set(names.values())):
        result.notes.append(
            f"{twice} pictures are listed twice; the captions of both are taken"
        )
    for number, entry in enumerate(entries, start=1):
        where = f"annotation {number}"
        if not isinstance(entry, _Caption):
            result.broken.append(f"{where} has no caption or no image_id")
        elif not isinstance(entry.picture, int | str) or entry.picture not in names:
            result.broken.append(
                f"{where} is of image {entry.picture!r}, not in images"
            )
        else:
            result.add(names[entry.picture], entry.caption, where)
    of_file = part_in(file.name)
    said = {image.get("file_name"): image.get("split") for image in images}
    for name in result.captions:
        part = part_in(str(said[name] or "")) or part_in(name) or of_file
        if part:
            result.place(name, part, file)
    return result


def _karpathy(images: list[dict[str, Any]], file: Path) -> Annotations:
    result = Annotations("Karpathy's json")
    for number, image in enumerate(images, start=1):
        where = f"image {number}"
        name, sentences = image.get("filename"), image.get("sentences")
        if not isinstance(name, str) or not isinstance(sentences, list):
            result.broken.append(f"{where} has no filename or no sentences")
            continue
        if isinstance(folder := image.get("filepath"), str) and folder:
            name = f"{folder}/{name}"
        for sentence in sentences:
            result.add(name, sentence, f"a sentence of {where}")
        if name in result.captions and isinstance(said := image.get("split"), str):
            if said not in PARTS:
                raise AnnotationError(
                    f"{file}: image {number} is in {said!r}; the parts that are known "
                    f"are {', '.join(PARTS)}."
                )
            result.place(name, PARTS[said], file)
    return result
