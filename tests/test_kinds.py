"""Nothing outside of a kind's own modules tells kinds of codecs apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mscn_tf.runtime import scheme

ROOT = Path(__file__).resolve().parents[1]
# Folders, and the packages that they install as.
PACKAGES = {"mscn_tf": "mscn_tf"}
PACKAGES.update((name, f"mscn_tf.{name}") for name in ("export", "server", "apps"))
KINDS = scheme.registered()
CLASSES = {kind.__name__ for kind in KINDS.values()}
# The modules of each kind, and what is decided in one of them.
OWN = {
    "tiles": """
        runtime.tiles runtime.tile_axes runtime.tile_model runtime.prior runtime.decoder
        codec.tile_encoding codec.encoder codec.gates codec.network
        entropy.scale_prior entropy.freeze fitting.basis_codec
        training.tiles training.evaluate training.closed_form_start
        export.tile_bundle export.functions export.axes_of_tiles export.quantiser export.namespace
        export.file_function export.saved_model export.onnx export.tflite
    """.split(),
    "pyramid": """
        runtime.pyramids runtime.pyramid_parts runtime.pyramid_prior runtime.pyramid_scales
        runtime.pyramid_signs runtime.pyramid_updates runtime.pyramid_shares runtime.wavelet
        runtime.post_filter runtime.filter_updates runtime.adaptive_filter codec.pyramid_encoding
        fitting.pyramid fitting.adaptive_filter
        fitting.pyramid_update fitting.pyramid_share fitting.filter_update fitting.visibility
        training.pyramid_updates training.filter_updates networks.post_filter
        entropy.pyramid_context entropy.sign_context
        training.pyramid training.post_filter export.pyramid_bundle export.post_filter_graph
        export.pyramid_functions
    """.split(),
    "interpolation": """
        runtime.interpolations runtime.interpolation runtime.grid_passes runtime.neighbourhoods
        runtime.descents runtime.shares codec.interpolation_encoding
        entropy.interpolation_context signals.field_sets training.interpolation
        export.interpolation_bundle export.interpolation_functions
    """.split(),
    "surface": """
        runtime.surfaces runtime.surface_pyramid codec.surface_encoding fitting.surfaces
        export.surface_bundle export.surface_functions
    """.split(),
    "modulated": """
        runtime.modulated codec.modulated_encoding codec.modulated_network
        training.modulated_codec training.principal_axes
        export.modulated_bundle export.modulated_functions
    """.split(),
}
MODULES = {f"mscn_tf.{name}" for names in OWN.values() for name in names}
# The float functions of any kind are written by these, which `mscn export` imports.
WRITERS = {f"mscn_tf.export.{name}" for name in ("saved_model", "onnx", "tflite")}
# The packages that export layers for those who build a codec of their own.
PUBLIC = {"mscn_tf.entropy", "mscn_tf.fitting", "mscn_tf.networks"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package that is no kind's own, by its installed name."""
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            if name not in MODULES and not (folder == "export" and "web" in parts):
                yield name, ast.parse(path.read_text())


def distinctions(tree: ast.AST) -> Iterator[str]:
    """Where a module compares with a kind's name, asks for its class, or has a table of kinds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            if any(_names(part) for part in [node.left, *node.comparators]):
                yield f"line {node.lineno} compares with a kind's name"
        elif isinstance(node, ast.Dict):
            if len({k.value for k in node.keys if isinstance(k, ast.Constant)} & set(KINDS)) > 1:
                yield f"line {node.lineno} has a table of kinds"
        elif getattr(node, "id", getattr(node, "attr", None)) in CLASSES:
            yield f"line {node.lineno} names a kind's class"


def _names(node: ast.AST) -> bool:
    """Whether a constant, or one of a tuple or the like, is a kind's name."""
    parts = node.elts if isinstance(node, (ast.Tuple, ast.List, ast.Set)) else [node]
    return any(isinstance(part, ast.Constant) and part.value in KINDS for part in parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """The modules that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_module_tells_kinds_apart():
    found = {name: list(distinctions(tree)) for name, tree in modules()}
    assert len(found) > 150
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_module_imports_one_of_a_kind():
    found = {
        name: sorted(set(imports(tree)) & MODULES - WRITERS)
        for name, tree in modules()
        if name not in PUBLIC
    }
    assert {name: own for name, own in found.items() if own} == {}


@pytest.mark.parametrize(
    "source",
    [
        'if bundle.kind == "pyramid": pass',
        'x = kind in ("tiles", "pyramid")',
        'TABLE = {"basis": 1, "pyramid": 2}',
        "isinstance(codec.scheme, Tiles)",
        "x = tiles.Tiles",
    ],
)
def test_distinctions_are_found(source):
    assert list(distinctions(ast.parse(source)))


def test_modules_of_kinds_are_there():
    for name in MODULES:
        path = Path(*name.split(".")).with_suffix(".py")
        assert (ROOT / path).exists() or (ROOT / path.relative_to("mscn_tf")).exists(), name


@pytest.mark.parametrize("kind", sorted({kind.name for kind in KINDS.values()}))
def test_places_of_a_kind_are_there(kind):
    for place in ("encoder", "trainer", "contents", "functions"):
        named = getattr(scheme.get(kind), place)
        if named is not None:
            assert callable(scheme.imported(named)), named
