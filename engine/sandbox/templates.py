"""Which Jinja templates are cheap whatever they are given, told by their form; all others are rendered apart.

Cheap is what takes time and memory in proportion to the template and to what it is given: texts, values, conditions,
loops over what is given, and the filters that prompts use. Nothing is assigned, repeated, padded or called that could
grow, and in a loop nothing is written or gone through but what this very loop holds: else sizes multiply. Known to be
so before the template is compiled: compiling works constants out, and `{{ "a" * 10 ** 10 }}` is one.
"""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError, nodes

_LONGEST = 4000
"""Characters: what stands in a loop is written once for each turn."""
_SEPARATOR = 20
"""Characters between what is joined."""
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.If, nodes.CondExpr),
    *(nodes.Compare, nodes.Operand, nodes.Not, nodes.And, nodes.Or, nodes.Add, nodes.Sub, nodes.Neg),
    *(nodes.Concat, nodes.Tuple, nodes.List, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Test),
)  # fmt: skip
_TESTS = frozenset(
    {"defined", "undefined", "none", "string", "mapping", "sequence", "iterable", "number", "true"}
)
_FILTERS = frozenset({"length", "count", "first", "last", "trim", "upper", "lower", "capitalize"})
"""Of these, those that take no arguments here."""
_METHODS = frozenset(
    {"items", "keys", "values", "strip", "lstrip", "rstrip", "startswith", "endswith", "upper", "lower"}
)  # fmt: skip
_REFUSES = "raise_exception"
"""What chat templates end with."""


@lru_cache(maxsize=512)
def is_plain(text: str, environment: Environment) -> bool:
    """Return whether a template is cheap by its form.

    Args:
        text: The template.
        environment: Reads it; where it cannot, the template is not plain.
    """
    if len(text) > _LONGEST:
        return False
    try:
        tree = environment.parse(text)
    except (TemplateSyntaxError, RecursionError):
        return False
    return _plain(tree, None)


def _plain(node: nodes.Node, held: frozenset[str] | None) -> bool:
    """Return whether a part is cheap; `held` are the names of the loop around it, None outside of any."""
    match node:
        case nodes.Name():
            return held is None or node.name in held
        case nodes.For():
            return _plain_loop(node, held)
        case nodes.If() | nodes.CondExpr():
            parts = [part for part in node.iter_child_nodes() if part is not node.test]
            asked = _plain(node.test, held) or _asks(node.test)
            return asked and all(_plain(part, held) for part in parts)
        case nodes.Filter():
            return _plain_filter(node) and all(_plain(p, held) for p in node.iter_child_nodes())
        case nodes.Call():
            return _plain_call(node, held)
        case nodes.Test() if node.name not in _TESTS or node.args or node.kwargs:
            return False
    return isinstance(node, _NODES) and all(_plain(p, held) for p in node.iter_child_nodes())


def _plain_loop(node: nodes.For, held: frozenset[str] | None) -> bool:
    if node.recursive or not _is_part(node.iter, held):
        return False
    targets = {name.name for name in node.target.find_all(nodes.Name)}
    if isinstance(node.target, nodes.Name):
        targets.add(node.target.name)
    inner = frozenset(targets | {"loop"})
    parts = [*node.body, *([node.test] if node.test is not None else [])]
    return all(_plain(part, inner) for part in parts) and all(
        _plain(part, held) for part in node.else_
    )


def _is_part(node: nodes.Node, held: frozenset[str] | None) -> bool:
    """Return whether a loop goes through what there is, and not through something that is put together for it."""
    match node:
        case nodes.Name():
            return node.name != "loop" and (held is None or node.name in held)
        case nodes.Call(args=[], kwargs=[], dyn_args=None, dyn_kwargs=None):
            called = isinstance(node.node, nodes.Getattr) and node.node.attr in _METHODS
            return called and _is_part(node.node, held)
        case nodes.Getattr() | nodes.Getitem():
            index = node.arg if isinstance(node, nodes.Getitem) else None
            fixed = index is None or not list(index.find_all((nodes.Name, nodes.Call)))
            return fixed and not isinstance(index, nodes.Name) and _is_part(node.node, held)
    return False


def _asks(node: nodes.Node) -> bool:
    """Return whether a condition in a loop, on whatever there is, takes no time that grows: it writes nothing."""
    match node:
        case nodes.Name() | nodes.Const():
            return True
        case nodes.Operand() if node.op not in ("eq", "ne"):
            return False
        case nodes.Test() if node.name not in _TESTS or node.args or node.kwargs:
            return False
        case nodes.Getitem() if not isinstance(node.arg, nodes.Const):
            return False
    known = (*(nodes.Not, nodes.And, nodes.Or, nodes.Compare, nodes.Operand),
             *(nodes.Test, nodes.Getattr, nodes.Getitem))  # fmt: skip
    return isinstance(node, known) and all(map(_asks, node.iter_child_nodes()))


def _plain_filter(node: nodes.Filter) -> bool:
    inner = {each.name for each in node.node.find_all(nodes.Filter)} if node.node else set()
    if isinstance(node.node, nodes.Filter):
        inner.add(node.node.name)
    if node.name in ("tojson", "join") and {"tojson", "join"} & inner:
        # Each time quotes are escaped anew, or letters parted.
        return False
    given = [*node.args, *node.kwargs, node.dyn_args, node.dyn_kwargs]
    match node.name, [each for each in given if each is not None]:
        case "join", [nodes.Const(value=str(between))]:
            return len(between) <= _SEPARATOR
        case "default" | "d", [nodes.Const()]:
            return True
        case "tojson" | "join" | "fenced", []:
            return True
        case name, []:
            return name in _FILTERS
    return False


def _plain_call(node: nodes.Call, held: frozenset[str] | None) -> bool:
    if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
        return False
    if isinstance(node.node, nodes.Name):
        return node.node.name == _REFUSES and all(_plain(part, held) for part in node.args)
    called = isinstance(node.node, nodes.Getattr) and node.node.attr in _METHODS
    return called and all(_plain(part, held) for part in (node.node, *node.args))
