"""Steps that older editions have in a notebook's loop, as functions of the table.

Until 2019 a class visualization was one function of a notebook: it draws noise, and in
a loop shifts the picture, lets the student's lines change it, shifts it back, cuts off
colours, blurs and shows. The table asks for the student's lines alone. In 2016 the same
holds for inverted features and dreams, where the loop stays and what surrounds the
student's lines, which needs the notebook's data, goes.
"""

import ast
import copy
from collections.abc import Callable, Iterable, Sequence

Host = ast.FunctionDef
_DRAWS = {"randn", "rand", "normal", "standard_normal", "zeros", "uniform"}
_SHIFTS = {"roll", "jitter"}
_CUTS = {"clip", "clamp", "clamp_", "clip_by_value"}
_SETTINGS = {"blur_every", "show_every", "max_jitter"}

# What a table's function needs of a tensor that only shares its numbers.
HELPERS = '''
def _take_gradient(names, given):
    """Let what shares a picture's numbers share its gradient, too."""
    for value in _sharing(names, given):
        value.grad = given.grad


def _hand_back(picture, names, given):
    """Put the numbers and the gradient where the caller looks for them."""
    for value in _sharing(names, given):
        given.grad = value.grad
    # In its loop a copy goes on only if the next round can differentiate at it.
    if picture.data_ptr() != given.data_ptr() and picture.requires_grad:
        given.data.copy_(picture.data)


def _sharing(names, given):
    return [
        value
        for value in names.values()
        if isinstance(value, torch.Tensor)
        and value is not given
        and value.requires_grad
        and value.is_leaf
        and value.data_ptr() == given.data_ptr()
    ]
'''


class ShapeError(ValueError):
    """A function of a notebook that is not built as its edition's was."""


def update_step(host: Host) -> str:
    """Return the text of ``class_visualization_update_step`` of 2017 to 2019.

    Args:
        host: The notebook's ``create_class_visualization``.

    Raises:
        ShapeError: If the step cannot be told from what surrounds it.
    """
    return _step(
        host,
        [
            "def class_visualization_update_step(",
            "    img, model, target_y, l2_reg, learning_rate",
            "):",
            "    _given, _start = img, img.detach()",
        ],
        {"dtype": "torch.FloatTensor"},
        "    _take_gradient(locals(), _given)",
        "    _hand_back({picture}, locals(), _given)",
    )


def tensorflow_step(host: Host) -> str:
    """Return the text of ``class_visualization_update_step`` in TensorFlow of 2019.

    Args:
        host: The notebook's ``create_class_visualization``.

    Raises:
        ShapeError: If the step cannot be told from what surrounds it.
    """
    before, loop = _around(host)
    at, picture = _drawn(host, before)
    if all(isinstance(statement, ast.Pass) for statement in _students(loop)):
        said = "class_visualization_update_step: your code goes here."
        body = [f"    raise NotImplementedError({said!r})"]
    else:
        # The picture comes preprocessed, and as whatever the loop has made of it.
        rest = [s for s in before[at + 1 :] if "preprocess_image" not in _names(s)]
        body = [
            *_indented(before[:at]),
            f"    {picture} = _start",
            *_indented(rest),
            f"    for {ast.unparse(loop.target)} in range(1):",
            *_indented(_students(loop), 8),
            f"    return {picture}",
        ]
    settings = {"l2_reg": "l2_reg", "learning_rate": "learning_rate"}
    lines = [
        "def class_visualization_update_step(",
        "    X, model, target_y, l2_reg, learning_rate",
        "):",
        "    _start = X",
        *_bind(host, ["target_y", "model"], settings, {}),
        *body,
    ]
    return "\n".join(lines)


def renamed(name: str) -> Callable[[Host], str]:
    """Return what gives a function another name.

    Args:
        name: The name.
    """

    def with_name(host: Host) -> str:
        made = copy.deepcopy(host)
        made.name = name
        return ast.unparse(made)

    return with_name


def visualization_step(host: Host) -> str:
    """Return the text of ``class_visualization_step`` of 2016.

    Args:
        host: The notebook's ``create_class_visualization``.

    Raises:
        ShapeError: If the step cannot be told from what surrounds it.
    """
    return _step(
        host,
        [
            "def class_visualization_step(X, target_y, model, l2_reg, learning_rate):",
            "    _start = X.copy()",
        ],
        {},
        "",
        "    return {picture}",
    )


def _step(
    host: Host, head: list[str], known: dict[str, str], before_it: str, after_it: str
) -> str:
    """Return a function of one turn of the loop that draws a class's picture.

    Args:
        host: The notebook's function.
        head: What the new one begins with.
        known: Further names -> what they stand for.
        before_it: What is done between the notebook's preparations and the turn.
        after_it: What is done with the picture, whose name takes ``{picture}``'s place.
    """
    before, picture, loop = _parts(host)
    settings = {"l2_reg": "l2_reg", "learning_rate": "learning_rate"}
    lines = [
        *head,
        *_bind(host, ["target_y", "model"], settings, known),
        *_indented(before),
        *([before_it] if before_it else []),
        f"    for {ast.unparse(loop.target)} in range(1):",
        *_indented(_students(loop), 8),
        after_it.format(picture=picture),
    ]
    return "\n".join(lines)


def inversion(host: Host) -> str:
    """Return the text of ``invert_features`` of 2016, which can start anywhere.

    Raises:
        ShapeError: If the step cannot be told from what surrounds it.
    """
    before, picture, loop = _parts(host, "(np.copy(_start))")
    return _whole(host, before, loop, picture)


def dream(host: Host) -> str:
    """Return the text of ``deepdream`` of 2016.

    Raises:
        ShapeError: If the step cannot be told from what surrounds it.
    """
    before, loop = _around(host)
    if not host.args.args:
        raise ShapeError("deepdream takes no picture")
    picture = host.args.args[0].arg
    for statement in host.body:
        if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Name):
            picture = statement.value.id
    return _whole(host, before, loop, picture)


STEPS: dict[str, tuple[str, Callable[[Host], str]]] = {
    "cs231n.net_visualization_pytorch.class_visualization_update_step": (
        "create_class_visualization",
        update_step,
    ),
    "cs231n.net_visualization_tensorflow.class_visualization_update_step": (
        "create_class_visualization",
        tensorflow_step,
    ),
    "cs231n.image_generation.class_visualization_step": (
        "create_class_visualization",
        visualization_step,
    ),
    "cs231n.image_generation.invert_features": ("invert_features", inversion),
    "cs231n.image_generation.deepdream": ("deepdream", dream),
}
"""Function's dotted name -> the one around it in a notebook, what takes it out."""


REDEFINED = {
    "cs231n.gan_tf.dc_discriminator": "discriminator",
    "cs231n.gan_tf.dc_generator": "generator",
}
"""Function's dotted name -> the one that a notebook of 2019 defines a second time."""


def _whole(host: Host, before: list[ast.stmt], loop: ast.For, picture: str) -> str:
    names = [a.arg for a in host.args.args]
    required = names[: len(names) - len(host.args.defaults)]
    others = "_settings" if host.args.kwarg is None else host.args.kwarg.arg
    lines = [
        f"def {host.name}({', '.join([*required, f'**{others}'])}):",
        f"    _start = {others}.pop('start', None)",
        "    for _name in ('mean_image', 'show', 'rng'):",
        f"        {others}.pop(_name, None)",
        *(
            f"    {name} = {others}.pop({name!r}, {ast.unparse(value)})"
            for name, value in _defaults(host)
        ),
        *_indented(before),
        f"    for {ast.unparse(loop.target)} in {ast.unparse(loop.iter)}:",
        *_indented(_students(loop), 8),
        f"    return {picture}",
    ]
    return "\n".join(lines)


def _around(host: Host) -> tuple[list[ast.stmt], ast.For]:
    """Return what stands before a function's loop, and the loop."""
    body = list(host.body)
    if ast.get_docstring(host) is not None:
        body = body[1:]
    for at, statement in enumerate(body):
        if isinstance(statement, ast.For):
            return body[:at], statement
    raise ShapeError(f"{host.name} has no loop")


def _parts(host: Host, start: str = "_start") -> tuple[list[ast.stmt], str, ast.For]:
    """Return a function's beginning with a picture in place of noise; its loop.

    Args:
        host: The function.
        start: The picture, as an expression.

    Returns:
        What stands before the loop, the picture's name, the loop.
    """
    before, loop = _around(host)
    at, target = _drawn(host, before)
    changed = _InPlaceOfNoise(start).visit(copy.deepcopy(before[at]))
    return [*before[:at], changed, *before[at + 1 :]], target, loop


def _drawn(host: Host, before: Sequence[ast.stmt]) -> tuple[int, str]:
    """Return which statement draws the picture, and what the picture is called."""
    for at, statement in enumerate(before):
        target = _target(statement)
        if target and isinstance(statement, ast.Assign | ast.AnnAssign):
            replaced = _InPlaceOfNoise("_start")
            replaced.visit(copy.deepcopy(statement))
            if replaced.found:
                return at, target
    raise ShapeError(f"{host.name} draws no picture to begin with")


class _InPlaceOfNoise(ast.NodeTransformer):
    """Replaces the first call that draws numbers."""

    def __init__(self, start: str) -> None:
        self._start, self.found = start, False

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace it, or look into it."""
        if not self.found and _called(node) in _DRAWS:
            self.found = True
            return ast.parse(self._start, mode="eval").body
        return self.generic_visit(node)


def _target(statement: ast.stmt) -> str:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return (
        targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
    )


def _bind(
    host: Host, given: Sequence[str], settings: dict[str, str], others: dict[str, str]
) -> list[str]:
    """Return lines that give the host's own parameters their values."""
    names = [a.arg for a in host.args.args]
    defaults = dict(_defaults(host))
    lines = []
    for name, value in zip(names, given, strict=False):
        if name != value:
            lines.append(f"    {name} = {value}")
    for name in names[len(given) :]:
        if name not in defaults:
            lines.append(f"    {name} = {others.get(name, 'None')}")
    lines += [
        f"    {name} = {ast.unparse(value)}"
        for name, value in defaults.items()
        if name not in settings
    ]
    if host.args.kwarg:
        pairs = ", ".join(f"{key!r}: {value}" for key, value in settings.items())
        lines.append(f"    {host.args.kwarg.arg} = {{{pairs}}}")
    return lines


def _defaults(host: Host) -> Iterable[tuple[str, ast.expr]]:
    names, values = host.args.args, host.args.defaults
    for parameter, value in zip(names[len(names) - len(values) :], values, strict=True):
        yield parameter.arg, value
    for parameter, given in zip(
        host.args.kwonlyargs, host.args.kw_defaults, strict=True
    ):
        if given is not None:
            yield parameter.arg, given


def _students(loop: ast.For) -> list[ast.stmt]:
    """Return the student's lines of a loop's body."""
    drawn: set[str] = set()
    shifts: list[int] = []
    back: list[int] = []
    for at, statement in enumerate(loop.body):
        if any(_called(call) == "randint" for call in _calls(statement)):
            drawn |= _stored(statement)
        elif drawn & _names(statement) and _SHIFTS & set(
            map(_called, _calls(statement))
        ):
            is_back = any(isinstance(n, ast.USub) for n in ast.walk(statement))
            (back if is_back else shifts).append(at)
    if back and (before := [at for at in shifts if at < back[0]]):
        return loop.body[before[-1] + 1 : back[0]] or [ast.Pass()]
    found = [
        statement
        for at, statement in enumerate(loop.body)
        if at not in (*shifts, *back) and not _is_given(statement, drawn)
    ]
    return found or [ast.Pass()]


def _is_given(statement: ast.stmt, drawn: set[str]) -> bool:
    """Tell whether a line of a loop is the course's, and not the step itself."""
    names = _names(statement)
    calls = set(map(_called, _calls(statement)))
    limits = any("mean" in name.lower() or name == "data" for name in names)
    return (
        bool(names & _SETTINGS)
        or bool(drawn & _stored(statement))
        or (limits and bool(calls & _CUTS))
        or (limits and _target(statement).startswith("mean"))
        or (isinstance(statement, ast.For) and bool(calls & _CUTS))
    )


def _calls(node: ast.AST) -> list[ast.Call]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Call)]


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _names(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def _stored(node: ast.AST) -> set[str]:
    return {
        n.id
        for n in ast.walk(node)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }


def _indented(statements: Iterable[ast.stmt], columns: int = 4) -> list[str]:
    return [
        " " * columns + line
        for statement in statements
        for line in ast.unparse(statement).splitlines()
    ]
