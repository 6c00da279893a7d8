"""The pinned requirements are what setup.cfg asks for, on every Python that they are for."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
LOCKED_PYTHONS = PYTHONS[2:]
FILES = [("constraints.txt", python) for python in PYTHONS]
FILES += [("requirements.lock", python) for python in LOCKED_PYTHONS]


def applies(requirement: Requirement, python: str) -> bool:
    versions = {"python_version": python, "python_full_version": f"{python}.0"}
    return requirement.marker is None or requirement.marker.evaluate(versions)


def wanted(python: str) -> list[Requirement]:
    """What the package and its extras need there; Beam's goes with no constraints."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = dict(config["options.extras_require"])
    del extras["beam"]
    listed = "\n".join([config["options"]["install_requires"], *extras.values()])
    lines = [line for line in listed.splitlines() if line and not line.startswith("#")]
    return [one for one in map(Requirement, lines) if applies(one, python)]


def entries(file: str) -> list[tuple[Requirement, int]]:
    """What a file pins, and the number of hashes of each."""
    text = re.sub(r"\\\n", " ", (ROOT / file).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(Requirement(line.split("--hash")[0]), line.count("--hash=sha256:")) for line in lines]


def pins(file: str, python: str) -> dict[str, Version]:
    """By canonical name; each package once."""
    found: dict[str, Version] = {}
    for requirement, _ in entries(file):
        if applies(requirement, python):
            (pin,) = requirement.specifier
            name = canonicalize_name(requirement.name)
            assert pin.operator == "=="
            assert name not in found, name
            found[name] = Version(pin.version)
    return found


@pytest.mark.parametrize(("file", "python"), FILES)
def test_every_requirement_is_pinned_to_a_version_that_meets_it(file, python):
    pinned, needed = pins(file, python), wanted(python)
    assert len(needed) > 30
    for requirement in needed:
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in {file}"
        assert requirement.specifier.contains(pinned[name]), f"{requirement}, {pinned[name]}"


@pytest.mark.parametrize("python", LOCKED_PYTHONS)
def test_the_lock_has_the_versions_that_were_tested(python):
    tested, locked = pins("constraints.txt", python), pins("requirements.lock", python)
    assert {name: locked[name] for name in locked if name in tested} == {
        name: tested[name] for name in tested if name in locked
    }
    assert len(locked) > 80


def test_every_entry_of_the_lock_has_hashes():
    assert [one.name for one, hashes in entries("requirements.lock") if not hashes] == []


def test_licences_are_told_of_what_is_locked():
    table = (ROOT / "docs" / "licences.md").read_text()
    told = re.findall(r"^\| \**([\w.-]+)\** \| [^|]+ \| [^|]*\|$", table, re.MULTILINE)
    locked = {canonicalize_name(one.name) for one, _ in entries("requirements.lock")}
    assert {*told} - {"package", "codec"} == locked
