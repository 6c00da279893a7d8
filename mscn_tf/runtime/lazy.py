"""What is imported when it is first asked for: names of packages, and of "module:attribute"."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Callable


def imported(path: str) -> Any:
    """The attribute of a module that "module:attribute" names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def exports(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package's ``__init__`` binds to ``__getattr__``, ``__dir__`` and ``__all__``.

    Args:
      package: its ``__name__``.
      modules: the names that each of its modules exports. None may be that of a module, which
        would hide it once it is imported.
    """
    homes = {name: module for module, names in modules.items() for name in names}

    def lookup(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    names = sorted(homes)
    return lookup, lambda: names, names
