"""What `mscn_tf.networks`, `.sparsity`, `.fitting` and `.entropy` export."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

PACKAGES = ["networks", "sparsity", "fitting", "entropy"]


def modules_of(package: ModuleType) -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def typed(package: ModuleType) -> dict[str, str]:
    """The module that each name comes from, as type checkers read it."""
    tree = ast.parse(inspect.getsource(package))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and isinstance(n.test, ast.Name))
    return {name.name: node.module for node in block.body for name in node.names}


def test_importing_them_imports_neither_tensorflow_nor_numpy():
    imports = "; ".join(f"import mscn_tf.{package}" for package in PACKAGES)
    program = f"import sys; {imports}; print({{'tensorflow', 'keras', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_names_are_what_type_checkers_see(name):
    package = importlib.import_module(f"mscn_tf.{name}")
    modules_of(package)  # once imported, a module would hide an export of its name
    seen = typed(package)
    assert sorted(seen) == package.__all__ == dir(package)
    for exported, module in seen.items():
        value = getattr(package, exported)
        assert value is getattr(importlib.import_module(module), exported)
        assert value.__module__ == module
        assert value.__doc__


@pytest.mark.parametrize("name", PACKAGES)
def test_every_layer_is_exported(name):
    import keras

    package = importlib.import_module(f"mscn_tf.{name}")
    layers = {
        value.__name__
        for module in modules_of(package)
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, keras.layers.Layer)
        and value.__module__ == module.__name__
    }
    assert layers <= set(package.__all__)


def test_the_package_has_them_without_their_import():
    program = f"import mscn_tf; print(*[getattr(mscn_tf, name).__name__ for name in {PACKAGES}])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == [f"mscn_tf.{name}" for name in PACKAGES], done.stderr


def test_an_unknown_name():
    from mscn_tf import networks

    with pytest.raises(AttributeError, match=r"'mscn_tf\.networks' has no attribute 'Siren'"):
        _ = networks.Siren
