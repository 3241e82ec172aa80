"""Diagrams of Q3, Q4 and Q5: gradients at pixels, content and style, two players."""

from staff.diagrams import figures
from staff.diagrams.pen import Diagram, Kind, Pen


def pixel_gradient() -> Diagram:
    """Draw how a score has a gradient at the pixels that it was computed from."""
    pen = Pen(398)
    forth, back, left, wide = 104, 274, 20, 126
    layers = [(198, 92), (258, 74), (318, 56)]  # the places get fewer
    ends = [left + wide, *(x for x, _ in layers), 374]
    figures.scene(pen, (left, forth - 45), wide)
    figures.pixel_gradient(pen, (left, back - 45), wide)
    classes = [0.3, 0.45, 0.9, 0.2, 0.35, 0.55]
    figures.scores(pen, (378, forth - 37), (138, 74), classes, 2)
    chosen = 378 + 2.5 * 138 / 6
    pen.arrow((chosen, forth + 38), (chosen, 172))
    pen.arrow((chosen, 206), (chosen, back), (338, back), kind="gradient")
    pen.box((chosen, 189), (108, 34), "one score", "state")
    for number, (x, tall) in enumerate(layers):
        first = 2 if number == 0 else 17
        pen.arrow((ends[number] + first, forth), (x - 18, forth))
        pen.arrow((x - 17, back), (ends[number] + first + 2, back), kind="gradient")
        pen.box((x, forth), (34, tall))
        pen.box((x, back), (34, tall))
    pen.arrow((335, forth), (373, forth))
    pen.note((left + wide / 2, 38), "the picture")
    pen.note((258, 38), "layers of the network")
    pen.note((447, 38), "scores of classes")
    pen.write((left + wide / 2, 186), "the gradient\nat the pixels", style="small told")
    pen.write((258, 186), "same layers,\nbackward", style="small told")
    told = "The weights stay as they are. The gradient has the picture's shape:"
    pen.note((270, 352), told)
    told = "a number for each pixel and colour, positive (orange) or negative (blue)."
    pen.note((270, 372), told)
    return pen.done(
        "How a gradient at the pixels arises",
        """Forward, from left to right: a picture of a boat goes through the layers of a
        network, whose weights stay as they are, and becomes scores of classes. One of
        the scores is chosen. Backward, along dashed arrows: its gradient goes through
        the same layers from right to left, down to the picture, and is an array in the
        picture's shape, with a positive or negative number for each pixel and colour.
        The largest ones lie on the boat and around it.""",
    )


def style() -> Diagram:
    """Draw which features of which pictures are compared in style transfer."""
    pen = Pen(476)
    photo, painting, source = 84, 270, 456
    rows, pictures, wide = [262, 202, 142, 82], 352, 112
    for number, y in enumerate(rows, start=1):
        pen.box((270, y), (508, 44), kind="off", round_=5)
        pen.note((22, y - 1), f"{number}", "start")
    for x in (photo, painting, source):
        aside = 10 if x == painting else 0
        below = pictures - 40
        for number, y in enumerate(rows):
            pen.arrow((x - aside, below), (x - aside, y + 16))
            if aside:
                pen.arrow((x + aside, y + 15), (x + aside, below - 1), kind="gradient")
            pen.box((x, y), (84 - 12 * number, 30), kind="data", round_=3)
            below = y - 15
    for number, y in enumerate(rows):
        half, right = 42 - 6 * number, number != 2
        side = 1 if right else -1  # of the painting on which it is compared
        other, loss = (source, 363) if right else (photo, 177)
        pen.arrow((other - side * half, y), (loss + side * 34, y))
        pen.arrow((painting + side * half, y - 6), (loss - side * 34, y - 6))
        back = (loss - side * 33, y + 7), (painting + side * (half + 1), y + 7)
        pen.arrow(*back, kind="gradient")
        kind: Kind = "state" if right else "loss"
        words = "style" if right else "content"
        pen.box((loss, y), (66, 28), words, kind, "small")
    pen.note((270, 40), "four layers of the same frozen network, for all three")
    figures.scene(pen, (photo - wide / 2, pictures - 40), wide)
    figures.strokes(pen, (painting - wide / 2, pictures - 40), wide, colourful=False)
    figures.strokes(pen, (source - wide / 2, pictures - 40), wide)
    pen.write((photo, 408), "photo")
    pen.write((painting, 408), "painting")
    pen.write((source, 408), "style picture")
    told = "Content: are features alike, place by place? Style: do the same channels"
    pen.note((270, 436), told)
    told = "go together, wherever that is? Gradients change the painting alone."
    pen.note((270, 455), told)
    return pen.done(
        "Content and style in a network",
        """Three pictures go through the same frozen network of four layers: a photo,
        the painting that is being made of it, and a style picture. At the third layer,
        the features of painting and photo are compared place by place: that is the
        content. At the first, second and fourth layer, painting and style picture are
        compared by which channels go together, wherever that is: that is the style.
        Gradients of all these comparisons go down to the pixels of the painting, which
        alone is changed.""",
    )


def gan() -> Diagram:
    """Draw whose turn it is in a GAN, and how far gradients go in each."""
    pen = Pen(436)
    _turn_of_discriminator(pen)
    pen.arrow((20, 258), (520, 258), kind="line")
    _turn_of_generator(pen)
    return pen.done(
        "The two players of a GAN",
        """Two turns. In the discriminator's turn, noise z becomes fakes in the
        generator G, and the discriminator D scores real digits and fakes: the score is
        to be higher for real ones and lower for fakes. The gradient goes into D, which
        learns, and no further. In the generator's turn, noise becomes fakes in G and D
        scores them, and now the score is to be higher. The gradient goes through D,
        which stays as it is, and through the fakes to G, which learns.""",
    )


def _turn_of_discriminator(pen: Pen) -> None:
    real, fake = 82, 178
    pen.write((20, 30), "The discriminator's turn", "start", "bold")
    _noise(pen, fake)
    pen.arrow((52, fake), (84, fake))
    pen.arrow((152, fake), (196, fake))
    pen.box((118, fake), (66, 56), "$G$", "off")
    pen.note((118, fake + 42), "stays as it is")
    for y, wish in ((real, "higher"), (fake, "lower")):
        _digits(pen, y, real=y == real)
        pen.arrow((312, y), (356, y))
        pen.arrow((423, y - 7), (462, y - 7))
        pen.arrow((462, y + 8), (426, y + 8), kind="gradient")
        pen.write((470, y), wish, "start")
    pen.box((390, (real + fake) / 2), (66, fake - real + 56), "$D$")
    pen.note((390, fake + 42), "learns")
    pen.note((495, (real + fake) / 2), "scores")


def _turn_of_generator(pen: Pen) -> None:
    fake = 344
    pen.write((20, 288), "The generator's turn", "start", "bold")
    _noise(pen, fake)
    pen.arrow((52, fake), (84, fake))
    _digits(pen, fake, real=False)
    pen.note((495, fake + 32), "scores")
    for start, end in ((152, 196), (312, 356), (423, 462)):
        pen.arrow((start, fake - 7), (end, fake - 7))
        pen.arrow((end, fake + 8), (start + 2, fake + 8), kind="gradient")
    pen.box((118, fake), (66, 56), "$G$")
    pen.note((118, fake + 42), "learns")
    pen.box((390, fake), (66, 56), "$D$", "off")
    pen.note((390, fake + 42), "stays as it is")
    pen.write((470, fake), "higher", "start")
    told = "Dashed: gradients. Through $D$ and the fakes they reach $G$."
    pen.note((270, 416), told)


def _noise(pen: Pen, middle: float) -> None:
    figures.noise(pen, (26, middle - 24), 3, 6, 8)
    pen.note((38, middle + 42), "noise $z$")


def _digits(pen: Pen, middle: float, real: bool) -> None:
    for number, which in enumerate("357" if real else "735"):
        corner = 202 + 36 * number, middle - 16
        figures.digit(pen, corner, which, 32, fake=not real)
    pen.note((254, middle + 32), "real" if real else "fakes")
