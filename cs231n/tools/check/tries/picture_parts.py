"""What trying out Q3's and Q4's functions has in common in both frameworks."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cs231n.support.accuracy import LIMITS
from cs231n.tools.check.bench import ONE, Bench, Care, Exercise
from cs231n.tools.check.faults import UnfitError
from cs231n.tools.check.marks import Array, Results
from cs231n.tools.check.tries.climbing import NO, shows_enough

FIVE = "five pictures"  # a size that notebooks have
CLASSES = 7
WITHIN = 1e-4  # relative, in float32
LABELS = [4, 0, 5]
PLACES = [(6, 7), (5, 3), (3, 4), (2, 6)]  # rows and columns of four layers' features
STYLE_LAYERS, STYLE_WEIGHTS = [2, 0, 1], [0.5, 20.0, 3.0]


def _stays(results: Results) -> bool:
    return not results["the first step"].any()


_SETTINGS: dict[str, dict[str, Any]] = {
    "compute_saliency_maps": {
        "ways": ("own", FIVE),
        "narrow": {FIVE: "fails for other sizes than five pictures"},
        "letters": {"N": len(LABELS), "C": CLASSES},
    },
    "make_fooling_image": {
        "suits": shows_enough,
        "blank": _stays,
        "no": NO,
        "letters": {"C": CLASSES},
    },
    "class_visualization_update_step": {"blank": _stays, "letters": {"C": CLASSES}},
    "content_loss": {"within": LIMITS["content_loss"]},
    "gram_matrix": {"within": LIMITS["gram_matrix"]},
    "style_loss": {
        "ways": ("own", "stand-in"),
        "earlier": ("gram_matrix",),
        "replaced": ("gram_matrix",),
        "within": LIMITS["style_loss"],
    },
    "tv_loss": {"letters": {"H": 6, "W": 9}, "within": LIMITS["tv_loss"]},
}


# What students write for these runs a network.
_OF_A_NETWORK = (
    *("compute_saliency_maps", "make_fooling_image"),
    "class_visualization_update_step",
)


def exercises(
    rows: Mapping[str, tuple[Callable[[Bench, str], Results], Mapping[str, Any]]],
    calls_model: str,
    **every: Any,
) -> dict[str, Exercise]:
    """Return how functions are tried out, with what holds in both frameworks.

    Args:
        rows: A function's name -> how it is run, and more of its exercise.
        calls_model: What code holds that runs the network, as a regular expression.
        **every: More of all exercises.
    """
    made = {}
    for name, (run, more) in rows.items():
        begun = {"begun": calls_model} if name in _OF_A_NETWORK else {}
        settings = {"within": WITHIN} | every | _SETTINGS[name] | begun | dict(more)
        made[name] = Exercise(run, **settings)
    return made


def in_one_way(run: Callable[[Bench], Results]) -> Callable[[Bench, str], Results]:
    """Return what runs a function that is tried out in one way only.

    Args:
        run: Runs it.
    """

    def run_in(bench: Bench, way: str) -> Results:
        del way
        return run(bench)

    return run_in


def in_double(run: Callable[[Bench, Any], Results], double: Any) -> Care:
    """Return what the care tier asks in float64.

    Args:
        run: Runs a function in a data type.
        double: The framework's float64.
    """
    return {"fails for float64": {"": lambda bench: run(bench, double)}}


def saliency_care(run: Callable[..., Results], double: Any) -> Care:
    """Return what the care tier asks of saliency maps.

    Args:
        run: Runs the function on pictures of some classes, in a data type if one is
            given.
        double: The framework's float64.
    """
    return {
        ONE: {"N = 1": lambda bench: run(bench, [2])},
        **in_double(lambda bench, dtype: run(bench, LABELS, dtype), double),
    }


def labels(way: str) -> list[int]:
    """Return the classes of as many pictures as a way of saliency maps has."""
    return [*LABELS, 2, 2] if way == FIVE else LABELS


def stand_in(
    bench: Bench, way: str, gram: Callable[..., Any]
) -> AbstractContextManager[None]:
    """Put something in a Gram matrix's place, if the way asks for it.

    Args:
        bench: Knows the student's module.
        way: How the style loss is tried out.
        gram: What is called instead.
    """
    return bench.instead(gram_matrix=gram) if way == "stand-in" else nullcontext()


def only_one(name: str, value: Array) -> Array:
    """Insist on a single number, with or without dimensions of one.

    Args:
        name: What it is called.
        value: A result's numbers.

    Returns:
        () the number.

    Raises:
        UnfitError: If there are more or fewer.
    """
    if value.size != 1:
        raise UnfitError(f"{name} has shape {value.shape}; one number is wanted")
    return value.reshape(())
