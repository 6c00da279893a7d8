"""Lays out what mkdocs reads: the pages of this folder, those of the root, and the API reference.

    python docs/site.py build/docs      # then: mkdocs build --strict

The package is laid out as it is installed, since the reference is read from its files.
"""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OF_ROOT = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
# Folders of the tree that are installed as parts of the package.
PARTS = ("export", "server", "apps")


def main(target: Path) -> None:
    """Makes `target` anew: `package/mscn_tf` and `pages`."""
    shutil.rmtree(target, ignore_errors=True)
    pages, package = target / "pages", target / "package" / "mscn_tf"
    ignored = shutil.ignore_patterns("*.py", "__pycache__")
    shutil.copytree(ROOT / "docs", pages, ignore=ignored)
    for source, page in OF_ROOT.items():
        shutil.copy(ROOT / source, pages / page)
    shutil.copy(ROOT / "LICENSE", pages / "LICENSE")
    for page in pages.glob("*.md"):
        page.write_text(_linked(page.read_text("utf-8")), "utf-8")
    shutil.copytree(ROOT / "mscn_tf", package, ignore=shutil.ignore_patterns("__pycache__", "*b"))
    for part in PARTS:
        shutil.copytree(ROOT / part, package / part, ignore=shutil.ignore_patterns("__pycache__"))
    _reference(package, pages / "api")


def _linked(text: str) -> str:
    """A page whose links lead to pages of the site; those to sources become their names."""
    for source, page in OF_ROOT.items():
        text = re.sub(rf"\]\((\.\./)?{re.escape(source)}", f"]({page}", text)
    text = text.replace("](docs/", "](")
    return re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", text)


def _is_public(module: Path) -> bool:
    documented = ast.get_docstring(ast.parse(module.read_text("utf-8")))
    return documented is not None and not module.name.startswith("_")


def _reference(package: Path, target: Path) -> None:
    """A page for each folder of the package that has public, documented modules."""
    target.mkdir()
    for folder in sorted(path.parent for path in package.rglob("__init__.py")):
        modules = [path for path in sorted(folder.glob("*.py")) if _is_public(path)]
        if not modules or "apps" in folder.parts:  # commands are described by their --help
            continue
        name = ".".join(folder.relative_to(package.parent).parts)
        blocks = [f"## {path.stem}\n\n::: {name}.{path.stem}\n" for path in modules]
        page = [f"# {name}\n", *_exports(folder / "__init__.py", name), *blocks]
        (target / f"{name}.md").write_text("\n".join(page), "utf-8")


def _exports(init: Path, package: str) -> list[str]:
    """The names that a package exports, as its type checkers' block imports them, with links."""
    tree = ast.parse(init.read_text("utf-8"))
    imports = [
        statement
        for block in tree.body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
    ]
    links = sorted(
        f"[`{name.name}`][{statement.module}.{name.name}]"
        for statement in imports
        for name in statement.names
    )
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    return [f"{summary} From `{package}`: {', '.join(links)}.\n"] if links else []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
