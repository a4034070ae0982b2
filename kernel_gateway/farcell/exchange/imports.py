"""Names a far cell imported are bound here too, without importing anything heavy before it is used."""

import importlib
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from farcell.analysis.names import Import


class LazyModule(ModuleType):
    """A module that is imported when something of it is first asked for."""

    travels_by_name = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            raise AttributeError(name)  # probes of inspect, copy and doctest must not import
        module = importlib.import_module(self.__name__)
        if not hasattr(module, name) and hasattr(module, "__path__"):
            return importlib.import_module(f"{self.__name__}.{name}")  # as `import a.b` there has done
        return getattr(module, name)

    def __dir__(self) -> list[str]:
        return dir(importlib.import_module(self.__name__))

    def __repr__(self) -> str:
        return f"<module {self.__name__!r}, imported by a far cell and here when it is used>"


def bind_imports(imports: Iterable[Import], namespace: dict[str, Any]) -> None:
    """Bind what `import` statements bound there; `from` imports come home as values.

    A module that is loaded here, or is part of Python, is bound itself."""
    for found in imports:
        present = namespace.get(found.name)
        if found.attribute or (isinstance(present, ModuleType) and present.__name__ == found.module):
            continue
        try:
            _load(found.loads)
            namespace[found.name] = _module(found.module)
        except ImportError:
            continue  # it is there and not here; a cell here that uses it will say so


def _load(name: str) -> None:
    if name and name.partition(".")[0] in sys.stdlib_module_names:
        importlib.import_module(name)


def _module(name: str) -> ModuleType:
    if name in sys.modules:
        return sys.modules[name]
    if name.partition(".")[0] in sys.stdlib_module_names:
        return importlib.import_module(name)
    return LazyModule(name)
