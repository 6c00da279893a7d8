"""Nothing asks for a modality by its name: what is known of one stands in its `Modality`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mscn_tf.runtime.modality import Modality

ROOT = Path(__file__).resolve().parents[1]
MODULES = [path for top in ("mscn_tf", "apps", "server", "export") for path in ROOT.glob(top)]
OWN = {  # modules in which such a word is something else, and why
    "apps/codecs.py": "names of codecs",
    "mscn_tf/configs/experiments/modulations.py": "configurations of each modality",
    "mscn_tf/plugins/xarray.py": "the only modality that it opens, and a variable in a NetCDF file",
}


def asked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each comparison with a modality's name, and of each key that is one."""
    names = set(Modality.names())
    for node in ast.walk(tree):
        compared: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            compared = [node.left, *node.comparators]
            compared += [
                element
                for one in node.comparators
                if isinstance(one, (ast.Tuple, ast.List, ast.Set))
                for element in one.elts
            ]
        elif isinstance(node, ast.Dict):
            compared = list(node.keys)
        elif isinstance(node, ast.Subscript):
            compared = [node.slice]
        for one in compared:
            if isinstance(one, ast.Constant) and one.value in names:
                yield one.lineno, one.value


def test_no_module_asks_for_a_modality_by_name():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for folder in MODULES
        for path in sorted(folder.rglob("*.py"))
        if str(path.relative_to(ROOT)) not in OWN
        for line, name in asked(ast.parse(path.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize("path", OWN)
def test_only_modules_that_need_it_are_left_out(path):
    assert list(asked(ast.parse((ROOT / path).read_text())))


@pytest.mark.parametrize(
    "line",
    [
        'modality == "image"',
        '"mesh" != modality',
        'modality in ("sound", "voxels")',
        '{"field": 1}',
        'table["scene"]',
    ],
)
def test_what_asks_is_found(line):
    assert list(asked(ast.parse(line)))
