"""A name bound to a module travels as the import that binds it there."""

import operator
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def importable(name: str, module: ModuleType, dotted: Iterable[str]) -> Any:
    """What to pickle for `name`: the module, with the submodules the cell reaches through it.

    After `import xml.etree.ElementTree` the name `xml` alone would not be enough there: an import of
    `xml` does not load its submodules.
    """
    found: dict[str, ModuleType] = {}
    for chain in dotted:
        head, *parts = chain.split(".")
        path = module.__name__
        for part in parts if head == name else ():
            path = f"{path}.{part}"
            if path in sys.modules:
                found[path] = sys.modules[path]
    return _WithSubmodules(module, [found[path] for path in sorted(found)]) if found else module


class _WithSubmodules:
    """Becomes the first module, after all of them have been imported."""

    def __init__(self, module: ModuleType, others: list[ModuleType]) -> None:
        self._modules = (module, *others)

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.itemgetter(0), (self._modules,)
