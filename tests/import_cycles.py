"""Find modules that import each other in a circle: `make check` calls this.

    python -m tests.import_cycles

Every import counts: at the top of a module, inside a function, under `if TYPE_CHECKING`, and that of a package's
`__init__`. import-linter keeps packages in layers; it does not see two modules of one layer that need each other.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import grimp


def import_graph(package: str) -> grimp.ImportGraph:
    """Return all imports within a package that can be imported."""
    return grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return circles of modules, each of which imports the next one and the last one the first.

    No import is in two circles of the list; there is none in it only if there is none in the graph.
    """
    rest = {module: set(imported) for module, imported in graph.items()}
    circles = []
    while True:
        try:
            TopologicalSorter(rest).prepare()
        except CycleError as error:
            # graphlib puts what is imported before its importer, and the first module at the end once more.
            circle = error.args[1][:0:-1]
            circles.append(circle)
            for importer, imported in _steps(circle):
                rest[importer].remove(imported)
        else:
            return circles


def describe(graph: grimp.ImportGraph, circle: list[str]) -> str:
    """Return a circle import by import, with the line where each stands."""
    lines = [f"{len(circle)} modules import each other:"]
    for importer, imported in _steps(circle):
        details = graph.get_import_details(importer=importer, imported=imported)
        where = ", ".join(str(each["line_number"]) for each in details)
        lines.append(f"  {importer} (line {where}) imports {imported}")
    return "\n".join(lines)


def _steps(circle: list[str]) -> list[tuple[str, str]]:
    return list(zip(circle, [*circle[1:], circle[0]], strict=True))


def main(package: str = "engine") -> int:
    """Print every circle; return 1 if there is one."""
    graph = import_graph(package)
    imports = {
        module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)
    }
    circles = cycles(imports)
    for circle in circles:
        print(describe(graph, circle))
    if not circles:
        print(f"No module of {package} imports itself by way of others ({len(imports)} modules).")
    return 1 if circles else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
