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


class LazyPackage(LazyModule):
    """A package of which nobody here knows what was imported with it: each module in it is looked for when it is
    used, however deep."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        inner = f"{self.__name__}.{name}"
        is_package = isinstance(found, ModuleType) and found.__name__ == inner and hasattr(found, "__path__")
        return LazyPackage(inner) if is_package else found


def bind_module(name: str, module: str, imports: Iterable[Import], namespace: dict[str, Any]) -> None:
    """Bind `name` to a module that it is bound to there. `imports` are the cell's import statements, as far as known.

    A module that is loaded here, or is part of Python, is bound itself; but without the statement nobody knows which
    submodules were imported with a package, so then they are found when they are used."""
    statement = next((one for one in imports if (one.name, one.module) == (name, module)), None)
    try:
        if statement is not None:
            _load(statement.loads)
        present = namespace.get(name)
        if not (isinstance(present, ModuleType) and present.__name__ == module):
            namespace[name] = _module(module, known=statement is not None)
    except ImportError:
        return  # it is there and not here; a cell here that uses it will say so


def _load(name: str) -> None:
    if name and _of_python(name):
        importlib.import_module(name)


def _module(name: str, *, known: bool) -> ModuleType:
    if name in sys.modules or _of_python(name):
        module = importlib.import_module(name)
        if known or not hasattr(module, "__path__"):
            return module
    return LazyModule(name) if known else LazyPackage(name)


def _of_python(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names
