"""What the values of params follow from: their defaults, and what checks and converts them."""

import ast
from collections.abc import Iterable

from pixmill.provenance.code import normal_form
from pixmill.provenance.modules import Modules, is_within

PARAMS = "pixmill.core.params"


def defaults_of(sections: Iterable[str], modules: Modules) -> tuple[dict[str, str], set[str]]:
    """Return the code that the values of some sections follow from, by name, and the modules that it needs besides.

    That are the sections' defaults and methods, and all that these and the types of fields name.

    Args:
        sections: Of ``params.yaml``.
        modules: Those of ``pixmill``.
    """
    forms: dict[str, str] = {}
    needed: set[str] = set()
    names: dict[str, dict[str, ast.AST]] = {}
    waiting = [(f"{PARAMS}.document", f"Params.{section}") for section in sections]
    while waiting:
        module, name = waiting.pop()
        if module not in names:
            names[module] = _find_names(ast.parse(modules.read(module)))
        node = names[module].get(name)
        if isinstance(node, ast.ImportFrom) and is_within(node.module or "", PARAMS):
            waiting.append((node.module or "", name))
        elif isinstance(node, ast.ImportFrom):
            needed |= {node.module or ""} if modules.path(node.module or "") else set()
        elif node is not None and (key := f"{module}:{name}") not in forms:
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            forms[key] = normal_form(_Values().visit(node))
            waiting += [(module, other) for other in used]
    return forms, needed


def _find_names(tree: ast.Module) -> dict[str, ast.AST]:
    """Return what binds each name of a module, and each field of its classes."""
    names: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names[node.name] = node
            fields = (each for each in node.body if isinstance(each, ast.AnnAssign))
            names |= {f"{node.name}.{ast.unparse(each.target).removesuffix('_')}": each for each in fields}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.name: node for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {ast.unparse(target): node for target in targets}
    return names


class _Values(ast.NodeTransformer):
    """A pass that leaves out what a field says besides its default: its type, bounds, description and examples."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            # Written either way, a default has one form.
            node.args += [keyword.value for keyword in node.keywords if keyword.arg == "default"]
            node.keywords = [keyword for keyword in node.keywords if keyword.arg == "default_factory"]
        return self.generic_visit(node)
