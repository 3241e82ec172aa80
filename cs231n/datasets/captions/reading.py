"""Files of captions as they are handed round, told apart by what is in them.

Each kind is read by a function of ``json_files`` or ``text_files``; all return alike.
"""

import gzip
from collections.abc import Sequence
from pathlib import Path

from cs231n.datasets.captions import json_files, text_files
from cs231n.datasets.captions.annotations import ADVICE, AnnotationError, Annotations
from cs231n.support.file_kinds import because, kind_of


def read(file: Path) -> Annotations:
    """Read a file of captions of any kind, also compressed by gzip.

    Raises:
        AnnotationError: If it is of no kind that is known, or damaged.
        FileNotFoundError: If it is missing.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no file {file}; name the captions' file."
        ) from error
    except IsADirectoryError as error:
        raise AnnotationError(f"{file} is a folder; {ADVICE}.") from error
    if kind_of(content[:512]) == "gzip":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise AnnotationError(
                f"{file} is damaged ({error}); fetch it again."
            ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        why = because(file, "text", error, "save it as UTF-8")
        raise AnnotationError(f"{file} is no text {why}") from error
    del content  # of a large file, one copy is enough
    if text.lstrip()[:1] in ("{", "["):
        return json_files.read(text, file)
    return text_files.read(text, file)


def read_all(files: Sequence[Path]) -> tuple[Annotations, list[Annotations]]:
    """Read files that belong together.

    Returns:
        What all of them say, and what each says by itself.

    Raises:
        AnnotationError: If one cannot be understood or comes twice, or none has a
            caption.
    """
    known: set[Path] = set()
    for file in files:
        if (real := file.resolve()) in known:
            raise AnnotationError(
                f"{file} is given twice, and its captions would count twice; give each "
                "file once."
            )
        known.add(real)
    each = [read(file) for file in files]
    merged = Annotations(", ".join(dict.fromkeys(one.kind for one in each)))
    for file, one in zip(files, each, strict=True):
        for picture, captions in one.captions.items():
            merged.captions.setdefault(picture, []).extend(captions)
        for picture, part in one.parts.items():
            merged.place(picture, part, file)
        merged.broken += [f"{file.name}: {what}" for what in one.broken]
        merged.notes += [f"{file.name}: {what}" for what in one.notes]
    if not merged.captions:
        names = ", ".join(str(file) for file in files)
        raise AnnotationError(f"There is no caption in {names}; {ADVICE}.")
    return merged, each
