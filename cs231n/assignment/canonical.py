"""What a piece of code says, whatever it looks like: layout, comments, names of locals.

Two texts with the same canonical form do the same. The other way round it is only a
good guess: code can be written anew in ways that nothing here sees through.

A function that serves two cell types can be asked for one of them. What the other one
would run is then left out: branches on ``cell_type``, tables that are looked up with
it, and what only they have used.
"""

import ast
import copy
import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_SILENT = {"ctx", "type_comment", "kind", "type_params", "annotation", "returns"}
_METHODS = {"lower", "upper", "strip", "startswith", "endswith"}
_WITHOUT_EFFECT = {"bool", "dict", "float", "int", "len", "list", "range", "tuple"}
_MOST_ROUNDS = 20  # each round takes something away, and functions are short


def parsed(source: str) -> ast.Module | None:
    """Return a text's syntax tree; None if it is no Python, or too deep to be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def structure(node: object) -> str:
    """Return a text for a syntax tree that layout, comments and types do not change."""
    if isinstance(node, list):
        return f"[{','.join(structure(item) for item in node)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = [
        f"{name}={structure(_without_docstring(name, value))}"
        for name, value in ast.iter_fields(node)
        if name not in _SILENT and value is not None and value != []
    ]
    return f"{type(node).__name__}({','.join(parts)})"


def short_digest(text: str) -> str:
    """Return a hash that is long enough to tell one person's versions apart."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _without_docstring(name: str, value: Any) -> Any:
    if name == "body" and isinstance(value, list) and value:
        first = value[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            return value[1:]
    return value


def functions(tree: ast.AST, inside: str = "") -> Iterator[tuple[str, Function]]:
    """Yield every function of a module with its dotted name, from top to bottom."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{inside}{node.name}"
            if not isinstance(node, ast.ClassDef):
                yield name, node
            yield from functions(node, f"{name}.")
        elif not isinstance(node, ast.expr):
            yield from functions(node, inside)


def simplify(function: Function, cell_type: str = "") -> Function:
    """Return a function in its canonical form.

    Args:
        function: It is left as it is.
        cell_type: What ``self.cell_type`` is to be; empty if that is of no matter.
    """
    made = copy.deepcopy(function)
    made.decorator_list = []
    before = ""
    for _ in range(_MOST_ROUNDS):
        made = _Fold(cell_type).visit(made)
        _split_assignments(made)
        _put_in_place(made)
        _drop_unused(made)
        if (now := structure(made)) == before:
            break
        before = now
    _rename(made)
    return made


def words(function: Function) -> set[str]:
    """Return all names and texts in a function."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


class _Fold(ast.NodeTransformer):
    """Works out what is known beforehand, and leaves out what will not be run."""

    def __init__(self, cell_type: str) -> None:
        self.cell_type = cell_type

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, name, None), list):
                setattr(node, name, list(_reached(statements)))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        known = self.cell_type and node.attr == "cell_type"
        return ast.Constant(self.cell_type) if known and _is_read(node) else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.left, ast.Constant):
            return node
        left, operator, other = node.left.value, node.ops[0], node.comparators[0]
        if isinstance(operator, ast.In | ast.NotIn):
            if not isinstance(other, ast.Tuple | ast.List | ast.Set):
                return node
            values = [e.value for e in other.elts if isinstance(e, ast.Constant)]
            if len(values) < len(other.elts):
                return node
            return ast.Constant((left in values) is isinstance(operator, ast.In))
        if not isinstance(other, ast.Constant):
            return node
        if isinstance(operator, ast.Eq | ast.Is):
            return ast.Constant(left == other.value)
        if isinstance(operator, ast.NotEq | ast.IsNot):
            return ast.Constant(left != other.value)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decides = isinstance(node.op, ast.Or)  # the value that ends it
        values: list[ast.expr] = []
        for value in node.values:
            if isinstance(value, ast.Constant) and bool(value.value) is not decides:
                continue
            values.append(value)
            if isinstance(value, ast.Constant):
                break
        if not values:
            return ast.Constant(not decides)
        node.values = values
        return values[0] if len(values) == 1 else node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return ast.Constant(not node.operand.value)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Add):
            return _joined([node.left, node.right]) or node
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        self.generic_visit(node)
        parts = [
            part.value
            if isinstance(part, ast.FormattedValue) and part.format_spec is None
            else part
            for part in node.values
        ]
        return _joined(parts) or node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.slice, ast.Constant) or not _is_read(node):
            return node
        key = node.slice.value
        if isinstance(node.value, ast.Call) and _called(node.value) == "globals":
            return _named(key) or node
        if isinstance(node.value, ast.Dict):
            return _looked_up(node.value, key) or node
        if isinstance(node.value, ast.Tuple | ast.List) and isinstance(key, int):
            chosen = node.value.elts[key : key + 1]
            return chosen[0] if chosen else node
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func
        if len(node.args) == 1 and isinstance(node.args[0], ast.Constant):
            value = node.args[0].value
            if _called(node) == "eval":
                return _named(value) or node
            if _called(node) in {"int", "bool"} and isinstance(value, bool):
                return ast.Constant(int(value))
        if isinstance(called, ast.Lambda) and not node.args and not node.keywords:
            return called.body
        if not isinstance(called, ast.Attribute):
            return node
        given = [a.value for a in node.args if isinstance(a, ast.Constant)]
        owner = called.value
        if len(given) < len(node.args[:1]) or node.keywords:
            return node
        if isinstance(owner, ast.Dict) and called.attr == "get" and given:
            return _looked_up(owner, given[0]) or node
        if (
            isinstance(owner, ast.Constant)
            and isinstance(owner.value, str)
            and called.attr in _METHODS
            and len(given) == len(node.args)
        ):
            return ast.Constant(getattr(owner.value, called.attr)(*given))
        return node

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            return node.body if node.test.value else node.orelse
        if not node.body and not node.orelse and _is_pure(node.test):
            return []
        return node

    def visit_Match(self, node: ast.Match) -> Any:
        self.generic_visit(node)
        if not isinstance(node.subject, ast.Constant):
            return node
        for case in node.cases:
            fits = _fits(case.pattern, node.subject.value)
            if fits is None or case.guard is not None:
                return node
            if fits:
                return case.body
        return []

    def visit_Try(self, node: ast.Try) -> Any:
        self.generic_visit(node)
        only_raised = all(
            isinstance(handler.body[-1], ast.Raise) if handler.body else False
            for handler in node.handlers
        )
        if only_raised and not node.finalbody:  # it goes well, or does not go on
            return [*node.body, *node.orelse]
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:
        self.generic_visit(node)
        said = isinstance(node.value, ast.Call) and _called(node.value) == "print"
        return [] if said or isinstance(node.value, ast.Constant) else node

    def visit_Assert(self, node: ast.Assert) -> Any:
        self.generic_visit(node)
        return [] if isinstance(node.test, ast.Constant) and node.test.value else node

    def visit_Pass(self, _: ast.Pass) -> Any:
        return []

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        if node.value is None:
            return []
        return ast.Assign([node.target], node.value)


def _reached(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        yield statement
        if isinstance(statement, ast.Return | ast.Raise | ast.Break | ast.Continue):
            return


def _is_read(node: Any) -> bool:
    return isinstance(node.ctx, ast.Load)


def _looked_up(table: ast.Dict, key: object) -> ast.expr | None:
    for known, value in zip(table.keys, table.values, strict=True):
        if isinstance(known, ast.Constant) and known.value == key:
            return value
    return None


def _joined(parts: list[ast.expr]) -> ast.Constant | None:
    """Return the text that constant texts make, None if any is no constant text."""
    texts = [p.value for p in parts if isinstance(p, ast.Constant)]
    if len(texts) == len(parts) and all(isinstance(text, str) for text in texts):
        return ast.Constant("".join(map(str, texts)))
    return None


def _named(text: object) -> ast.Name | None:
    """Return what a text names where it is looked up as a name."""
    known = isinstance(text, str) and text.isidentifier()
    return ast.Name(str(text), ast.Load()) if known else None


def _fits(pattern: ast.pattern, value: object) -> bool | None:
    """Tell whether a case is taken; None if that cannot be told."""
    if isinstance(pattern, ast.MatchValue) and isinstance(pattern.value, ast.Constant):
        return bool(pattern.value.value == value)
    if isinstance(pattern, ast.MatchAs) and pattern.pattern is None:
        return True if pattern.name is None else None
    if isinstance(pattern, ast.MatchOr):
        found = [_fits(inner, value) for inner in pattern.patterns]
        return True if True in found else None if None in found else False
    return None


def _called(call: ast.Call) -> str:
    """Return the dotted name of what is called, or '' if it is no name."""
    parts, node = [], call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _is_pure(node: ast.AST) -> bool:
    """Tell whether computing an expression changes nothing elsewhere."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr):
            return False
        if isinstance(inner, ast.Call):
            name = _called(inner)
            of_numpy = re.match(r"(np|numpy)\.(?!random\b)", name)
            if not of_numpy and name not in _WITHOUT_EFFECT:
                return False
    return True


def _blocks(function: Function) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            if isinstance(statements := getattr(node, name, None), list):
                yield statements


def _names(nodes: Iterable[ast.AST], kind: type[ast.expr_context]) -> Counter[str]:
    return Counter(
        inner.id
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, kind)
    )


def _split_assignments(function: Function) -> None:
    """Write ``a, b = x, y`` and ``a = b = x`` as two assignments where that is safe."""
    for block in _blocks(function):
        made: list[ast.stmt] = []
        for statement in block:
            made += _split(statement)
        block[:] = made


def _split(statement: ast.stmt) -> list[ast.stmt]:
    if not isinstance(statement, ast.Assign):
        return [statement]
    target, value = statement.targets[0], statement.value
    if len(statement.targets) > 1:
        if isinstance(value, ast.Constant | ast.Name):
            return [ast.Assign([t], value) for t in statement.targets]
        return [statement]
    if (
        not isinstance(target, ast.Tuple | ast.List)
        or not isinstance(value, ast.Tuple | ast.List)
        or len(target.elts) != len(value.elts)
        or any(isinstance(e, ast.Starred) for e in (*target.elts, *value.elts))
        or not all(isinstance(e, ast.Name) for e in target.elts)
    ):
        return [statement]
    for n in range(len(target.elts)):
        stored = _names(target.elts[: n + 1], ast.Store)
        if any(name in stored for name in _names(value.elts[n + 1 :], ast.Load)):
            return [statement]  # such as a swap
    pairs = zip(target.elts, value.elts, strict=True)
    return [ast.Assign([one], other) for one, other in pairs]


def _put_in_place(function: Function) -> None:
    """Replace locals that only give another name to something by what they name."""
    stored = _names([function], ast.Store)
    taken = {arg.arg for n in ast.walk(function) for arg in _arguments(n)}
    given: dict[str, list[ast.expr]] = {}
    for block in _blocks(function):
        for statement in block:
            if (target := _only_target(statement)) and target not in taken:
                assert isinstance(statement, ast.Assign)
                given.setdefault(target, []).append(statement.value)
    aliases = {
        name: values[0]
        for name, values in given.items()
        if len(values) == stored[name]  # it is assigned nowhere else
        and _only_names(values[0], stored)
        and len({structure(value) for value in values}) == 1
    }
    if aliases:
        for block in _blocks(function):
            block[:] = [s for s in block if _only_target(s) not in aliases]
        _Replace(aliases).visit(function)


def _arguments(node: ast.AST) -> list[ast.arg]:
    return [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.arg)]


def _only_target(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        (target,) = statement.targets
        return target.id if isinstance(target, ast.Name) else ""
    return ""


def _only_names(value: ast.expr, stored: Counter[str]) -> bool:
    """Tell whether a value is a constant, names that stay what they are, or a table."""
    if isinstance(value, ast.Constant):
        return True
    if isinstance(value, ast.Dict):
        parts = [*value.keys, *value.values]
        return all(part is not None and _only_names(part, stored) for part in parts)
    if isinstance(value, ast.Tuple):
        return all(_only_names(part, stored) for part in value.elts)
    if isinstance(value, ast.Lambda):
        return not any(name in stored for name in _names([value], ast.Load))
    return isinstance(value, ast.Name) and value.id not in stored


class _Replace(ast.NodeTransformer):
    def __init__(self, aliases: dict[str, ast.expr]) -> None:
        self.aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value: ast.expr = node
        for _ in range(_MOST_ROUNDS):
            if not isinstance(value, ast.Name) or value.id not in self.aliases:
                break
            value = self.aliases[value.id]
        return copy.deepcopy(value) if _is_read(node) else node


def _drop_unused(function: Function) -> None:
    """Leave out values that are computed without effect and never read."""
    read = _names([function], ast.Load)
    for block in _blocks(function):
        block[:] = [
            statement
            for statement in block
            if not (
                (target := _only_target(statement))
                and target not in read
                and isinstance(statement, ast.Assign)
                and _is_pure(statement.value)
            )
        ]


def _rename(function: Function) -> None:
    """Number the locals in the order in which they occur."""
    stored = _names([function], ast.Store)
    taken = {arg.arg for n in ast.walk(function) for arg in _arguments(n)}
    numbers: dict[str, str] = {}
    for node in _in_order(function):
        if isinstance(node, ast.Name) and node.id in stored and node.id not in taken:
            node.id = numbers.setdefault(node.id, f"local{len(numbers)}")


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for inner in ast.iter_child_nodes(node):
        yield from _in_order(inner)
