"""A pen for diagrams: boxes, arrows and words as SVG that looks well in light and dark.

A diagram is shown as an image, by pages that cannot pass their colours on. So it has
paper of its own and follows the reader's wish for light or dark, paper and ink
together: whatever the page is like, the diagram can be read. All are of one width,
which makes their words readable on a telephone, too.

Kinds of boxes differ by colour and by how their border is drawn; gradients are dashed.
In words, ``$h_{t-1}$`` is set as mathematics and `` `dh` `` as code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

Point: TypeAlias = tuple[float, float]
Kind: TypeAlias = Literal["data", "layer", "state", "loss", "off", "plain"]
Flow: TypeAlias = Literal["forward", "gradient", "line"]
Anchor: TypeAlias = Literal["start", "middle", "end"]

WIDTH = 540
_SHOWN = 620  # pixels on a wide page
_COLOURS = {  # of what -> by day, by night
    "paper": ("#ffffff", "#161b22"),
    "ink": ("#1f2933", "#e6edf3"),
    "soft": ("#52606d", "#a9b6c3"),
    "line": ("#9aa5b1", "#5c6874"),
    "data": ("#dcecf8", "#12344d"),
    "data-line": ("#0b66a5", "#5ab4ef"),
    "layer": ("#e0f2ea", "#123b30"),
    "layer-line": ("#0b7a57", "#46c79c"),
    "state": ("#fdf0cf", "#43350f"),
    "state-line": ("#946200", "#e8b64a"),
    "loss": ("#f3e3f1", "#40233d"),
    "loss-line": ("#8d3f83", "#d993cf"),
    "off": ("#eef1f4", "#252c35"),
    "off-line": ("#9aa5b1", "#67737f"),
    "gradient": ("#c2410c", "#ff9a5c"),
}
_RULES = """\
svg { background: var(--paper); }
.paper { fill: var(--paper); stroke: var(--line); stroke-opacity: .4; }
text { fill: var(--ink); font: 16px system-ui, -apple-system, "Segoe UI", Roboto,
  "DejaVu Sans", sans-serif; }
.small { font-size: 14px; }
.soft { fill: var(--soft); }
.bold { font-weight: 600; }
.told { fill: var(--gradient); }
.math { font-family: "Latin Modern Math", "STIX Two Text", Cambria, "DejaVu Serif",
  Georgia, serif; font-style: italic; }
.up { font-style: normal; }
.sub { font-size: 72%; }
.code { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 92%; }
.box { stroke-width: 1.6; }
.data { fill: var(--data); stroke: var(--data-line); }
.layer { fill: var(--layer); stroke: var(--layer-line); }
.state { fill: var(--state); stroke: var(--state-line); }
.loss { fill: var(--loss); stroke: var(--loss-line); }
.off { fill: var(--off); stroke: var(--off-line); stroke-dasharray: 2 3; }
.plain { fill: var(--paper); stroke: var(--ink); }
.flow { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.forward { stroke: var(--ink); }
.line { stroke: var(--line); }
.gradient { stroke: var(--gradient); stroke-width: 2.2; stroke-dasharray: 6 4; }
.tip-forward { fill: var(--ink); }
.tip-gradient { fill: var(--gradient); }"""
_WORDS = re.compile(r"\$([^$]+)\$|`([^`]+)`|([^$`]+)")
_MATH = re.compile(
    r"_\{([^}]+)\}|_(\w)|\^(\w)|([^\W\d_]+)|([\W\d]+?(?=[^\W\d_]|_|\^|$))"
)


@dataclass(frozen=True)
class Diagram:
    """A finished diagram.

    Attributes:
        title: What it is about, in a few words.
        alt: What it shows, for those who cannot see it.
        svg: The file's text.
    """

    title: str
    alt: str
    svg: str


class Pen:
    """Draws from top left to bottom right, in units of about a pixel."""

    def __init__(self, height: float) -> None:
        """Take a sheet of paper.

        Args:
            height: Of the paper; all are of one width.
        """
        self.height = height
        self._drawn: list[str] = []

    def mark(self, element: str) -> None:
        """Add SVG as it is."""
        self._drawn.append(element)

    def box(
        self,
        centre: Point,
        size: Point,
        words: str = "",
        kind: Kind = "layer",
        style: str = "",
        round_: float = 7,
    ) -> None:
        """Draw a box with words in its middle; line breaks are kept.

        Args:
            centre: Of the box.
            size: Its width and height.
            words: What stands in it.
            kind: What it stands for.
            style: Of the words: classes of the style sheet.
            round_: Radius of the corners.
        """
        (x, y), (w, h) = centre, size
        self.mark(
            f'<rect class="box {kind}" x="{x - w / 2:g}" y="{y - h / 2:g}" '
            f'width="{w:g}" height="{h:g}" rx="{round_:g}"/>'
        )
        if words:
            self.write(centre, words, style=style)

    def circle(
        self, centre: Point, radius: float, words: str, kind: Kind = "state"
    ) -> None:
        """Draw a circle with words in its middle.

        Args:
            centre: Of the circle.
            radius: Of it.
            words: What stands in it.
            kind: What it stands for.
        """
        x, y = centre
        self.mark(f'<circle class="box {kind}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>')
        self.write(centre, words)

    def write(
        self, at: Point, words: str, anchor: Anchor = "middle", style: str = ""
    ) -> None:
        """Write words; their middle is at the height of a point.

        Args:
            at: The point.
            words: What to write; line breaks are kept.
            anchor: What of each line is at the point.
            style: Classes of the style sheet.
        """
        x, y = at
        lines = words.split("\n")
        step = 17 if "small" in style else 19
        y -= step * (len(lines) - 1) / 2
        named = f' class="{style}"' if style else ""
        for line in lines:
            self.mark(
                f'<text{named} x="{x:g}" y="{y + 5:g}" text-anchor="{anchor}">'
                f"{_typeset(line)}</text>"
            )
            y += step

    def note(self, at: Point, words: str, anchor: Anchor = "middle") -> None:
        """Write words that are less than what a diagram shows: small and pale.

        Args:
            at: As for ``write``.
            words: What to write.
            anchor: As for ``write``.
        """
        self.write(at, words, anchor, "small soft")

    def arrow(self, *points: Point, kind: Flow = "forward", tip: bool = True) -> None:
        """Draw a line through points, with a tip at the last one.

        Args:
            *points: At least two.
            kind: What goes along it.
            tip: Whether it has one.
        """
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        end = f' marker-end="url(#tip-{kind})"' if tip and kind != "line" else ""
        self.mark(f'<path class="flow {kind}" d="{path}"{end}/>')

    def done(self, title: str, alt: str) -> Diagram:
        """Return the diagram.

        Args:
            title: What it is about, in a few words.
            alt: What it shows, for those who cannot see it.
        """
        alt = " ".join(alt.split())
        high = self.height
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high:g}" '
            f'width="{_SHOWN}" height="{_SHOWN * high / WIDTH:.0f}" role="img" '
            'aria-labelledby="title alt">'
        )
        return Diagram(
            title,
            alt,
            "\n".join(
                [
                    head,
                    f'<title id="title">{escape(title)}</title>',
                    f'<desc id="alt">{escape(alt)}</desc>',
                    f"<style>\n{_colours()}\n{_RULES}\n</style>",
                    _tips(),
                    f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" '
                    f'height="{high - 1:g}" rx="8"/>',
                    *self._drawn,
                    "</svg>\n",
                ]
            ),
        )


def _colours() -> str:
    day, night = (
        " ".join(f"--{name}: {both[k]};" for name, both in _COLOURS.items())
        for k in range(2)
    )
    return (
        f":root {{ color-scheme: light dark; {day} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {night} }} }}"
    )


def _tips() -> str:
    return "\n".join(
        [
            "<defs>",
            *(
                f'<marker id="tip-{kind}" viewBox="0 0 10 10" refX="8.5" refY="5" '
                'markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" '
                f'orient="auto"><path class="tip-{kind}" d="M0 0 L10 5 L0 10 z"/>'
                "</marker>"
                for kind in ("forward", "gradient")
            ),
            "</defs>",
        ]
    )


def _typeset(words: str) -> str:
    """Return words with their mathematics and code as SVG."""
    found = []
    for math, code, text in _WORDS.findall(words):
        if math:
            found.append(f'<tspan class="math">{"".join(_math(math))}</tspan>')
        elif code:
            found.append(f'<tspan class="code">{escape(code)}</tspan>')
        else:
            found.append(escape(text))
    return "".join(found)


def _math(text: str) -> Iterator[str]:
    text = text.replace("-", "\N{MINUS SIGN}")
    for braced, single, above, letters, rest in _MATH.findall(text):
        if below := braced or single:
            # What follows is moved back by its own dy.
            yield f'<tspan class="sub" dy="4">{escape(below)}</tspan>'
            yield '<tspan dy="-4">\u200b</tspan>'
        elif above:
            yield f'<tspan class="sub" dy="-6">{escape(above)}</tspan>'
            yield '<tspan dy="6">\u200b</tspan>'
        elif letters:
            yield escape(letters)
        else:
            yield f'<tspan class="up">{escape(rest)}</tspan>'
