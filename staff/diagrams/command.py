"""Draw the pictures that explain: ``python -m staff diagrams`` writes ``images/``."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from cs231n.support.files import replacing
from staff.diagrams import networks, recurrent
from staff.diagrams.pen import Diagram
from staff.generated import arguments, differing

FOLDER = "images"
_DRAWN: Mapping[str, Callable[[], Diagram]] = {
    "rnn": recurrent.rnn,
    "lstm": recurrent.lstm,
    "captioning": recurrent.captioning,
    "temporal-softmax": recurrent.temporal_softmax,
    "pixel-gradient": networks.pixel_gradient,
    "style": networks.style,
    "gan": networks.gan,
}
_SHOWN = re.compile(rf"!\[\]\((?P<path>(?:\.\./)*{FOLDER}/(?P<name>[\w-]+)\.svg)\)")


@cache
def diagrams() -> dict[str, Diagram]:
    """Return all diagrams by the names of their files."""
    return {f"{FOLDER}/{name}.svg": draw() for name, draw in _DRAWN.items()}


def described(text: str) -> str:
    """Give each diagram that a Markdown text shows its description.

    Args:
        text: Shows diagrams as ``![](images/rnn.svg)``.

    Raises:
        KeyError: If there is no such diagram.
    """

    def with_words(shown: re.Match[str]) -> str:
        file = f"{FOLDER}/{shown['name']}.svg"
        if file not in diagrams():
            raise KeyError(
                f"{file} is shown and nothing draws it; its name should be one of "
                f"{', '.join(_DRAWN)}."
            )
        return f"![{diagrams()[file].alt}]({shown['path']})"

    return _SHOWN.sub(with_words, text)


def out_of_step(root: Path) -> list[str]:
    """Name each file at ``root`` that is not what is drawn now, or drawn no more."""
    wanted = {file: diagram.svg for file, diagram in diagrams().items()}
    found = {
        f"{FOLDER}/{path.name}": path.read_text("utf-8")
        for path in (root / FOLDER).glob("*.svg")
    }
    return differing(wanted, found)


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff diagrams``."""
    args = arguments("diagrams", __doc__, argv)
    stale = out_of_step(args.root)
    for file in stale:
        path = args.root / file
        if args.check:
            print(f"{file} is not what is drawn now; run: python -m staff diagrams")
        elif diagram := diagrams().get(file):
            with replacing(path) as draft:
                draft.write_bytes(diagram.svg.encode())
            print(f"{file}: written")
        else:
            path.unlink()
            print(f"{file}: removed, as nothing draws it")
    return 1 if stale and args.check else 0
