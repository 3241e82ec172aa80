"""What a file of captions says, whatever kind it is of."""

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

PARTS = {
    **dict.fromkeys(("train", "restval", "training"), "train"),
    **dict.fromkeys(("val", "dev", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""What files call the parts of a data set, and what they are called here."""

ADVICE = (
    "give COCO's captions_*.json, a json of Karpathy's, a token file of Flickr8k or "
    "Flickr30k, or a csv or tsv file that begins with the line picture,caption"
)
_PART = re.compile(rf"(?<![a-z])({'|'.join(PARTS)})(?![a-z])")
_LONGEST = 1000  # letters of a path: most systems know none of more than 4096 bytes
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class AnnotationError(ValueError):
    """A file of captions that cannot be understood."""


@dataclass
class Annotations:
    """What one file of captions says, or several of them.

    Attributes:
        kind: What kind of file it is, in words.
        captions: The captions of each picture, by the picture's name in the file.
        parts: ``train``, ``val`` or ``test`` for pictures of which the file says it.
        broken: What is wrong with entries that were left out.
        notes: What else a reader should know, a sentence without its full stop each.
    """

    kind: str
    captions: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, picture: str, caption: object, where: str) -> None:
        """Take a caption, or note what is wrong with it.

        Args:
            picture: The picture's name.
            caption: What should be a text with something in it.
            where: What to call the entry if it is broken.
        """
        picture = picture.strip()
        if not picture:
            self.broken.append(f"{where} names no picture")
        elif not picture.isprintable() or len(picture) > _LONGEST:
            self.broken.append(f"{where} names a picture as no file is called")
        elif not isinstance(caption, str) or not caption.strip():
            self.broken.append(f"{where} has no caption")
        else:
            self.captions.setdefault(picture, []).append(caption.strip())

    def place(self, picture: str, part: str, file: Path) -> None:
        """Note which part a picture belongs to.

        Raises:
            AnnotationError: If it belongs to another one already.
        """
        known = self.parts.setdefault(picture, part)
        if known != part:
            raise AnnotationError(
                f"{file}: picture {picture} is in {part}, and in {known} as well, but "
                "what a model is tried on it must not have learned; take it out of one."
            )

    def count(self) -> int:
        """Return the number of captions."""
        return sum(map(len, self.captions.values()))


def part_in(name: str) -> str:
    """Return the part of a data set that a file name speaks of, or ''.

    Example:
        >>> part_in("COCO_train2014_000000000009.jpg")
        'train'
        >>> part_in("Flickr_8k.devImages.txt")
        'val'
        >>> part_in("trains_in_the_rain.jpg")
        ''
    """
    words = _CAMEL.sub(" ", PurePosixPath(name).name).lower()
    found = {PARTS[word] for word in _PART.findall(words)}
    return found.pop() if len(found) == 1 else ""
