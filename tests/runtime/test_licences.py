"""Every bundle that comes with the package says what it was trained on, and under which terms."""

from __future__ import annotations

import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from mscn_tf.runtime.bundle import SHIPPED, SUFFIX, Bundle
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.licences import Licence, shipped_licences
from tests.runtime import odd_manifests

ROOT = Path(__file__).resolve().parents[2]
# Files name them: they never change.
IDS = {
    "faces32": "e49d10d3c1654182",
    "faces64": "df35d40f619697c9",
    "gated-faces-first": "f30bcdaead1c96db",
    "gated-faces32": "c1b9bd5ee6d0fe06",
    "gated-temperature": "8d0ed2ddaa3c75db",
    "gated-voxels32": "29133077f184a3b9",
    "mesh": "032960c14fa4f74a",
    "photo-bsds500": "66a8c2d78876da50",
    "photo-fifth": "41aa03c31dadead1",
    "photo-first": "be3c9af12b69cf84",
    "photo-fourth": "74ded79d0bd9fb22",
    "photo-plain": "39792e26cd2cdc81",
    "photo-second": "024cf707f8be5886",
    "photo-third": "34061be4b4552691",
    "scene": "bde7ede58cf49855",
    "silhouette64": "fe3948d08ecb8871",
    "speech": "90254c32f7bb23d1",
    "surface": "e7aaca1b198a84d0",
    "temperature": "bd06fa8341c3a6dd",
    "thumb32-cifar10": "b044e7eb4cd61565",
    "volume": "83d364fb2cc0801a",
    "voxels32": "512cc4728b39bab5",
}
FREE = r"CC0|CC-BY-\d\.\d|public domain|any use|and|[,: ]"


@pytest.mark.parametrize("name", list(IDS))
def test_bundles_are_found_by_the_id_that_they_had(name):
    bundle = Bundle.find(bytes.fromhex(IDS[name]))
    assert bundle is not None
    assert bundle.name == name


def test_each_shipped_bundle_has_a_licence_and_each_licence_a_bundle():
    assert sorted(shipped_licences()) == Bundle.names()
    for name in Bundle.names():
        assert Bundle.load(name).licence == shipped_licences()[name]


@pytest.mark.parametrize("name", ["photo", "thumb32"])
def test_the_default_codecs_of_pictures_may_be_used_by_anybody(name):
    manifest = Bundle.load(name).manifest
    assert manifest.name == name
    assert manifest.licence is not None
    assert re.sub(FREE, "", manifest.licence.terms.replace("CC0-1.0", "CC0")) == ""
    assert manifest.record["licence"] == asdict(shipped_licences()[name])


def test_a_bundle_of_the_same_name_elsewhere_has_not_its_licence(tmp_path):
    path = tmp_path / f"faces32{SUFFIX}"
    shutil.copy(odd_manifests.GOLDEN / "v1.mscnb", path)
    assert Bundle.load(path).licence is None
    shutil.copy(SHIPPED / f"photo-bsds500{SUFFIX}", path)
    assert Bundle.load(path).name == "photo"  # as it says itself


def test_the_notice_names_whom_the_terms_ask_to_be_named():
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    for author in shipped_licences()["photo"].attribution.split(", "):
        assert author in notice
    assert "Free Spoken Digit Dataset" in notice
    assert shipped_licences()["volume"].attribution in notice
    assert "Open Government Licence v3.0" in notice


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("CC0", "licence has not just the entries attribution, data, terms"),
        ({"data": "a", "terms": "b"}, "licence has not just the entries"),
        ({"data": "a", "terms": "b", "attribution": ""}, "attribution of the licence is no"),
        ({"data": "a\x1b", "terms": "b", "attribution": "c"}, "data of the licence is no"),
        ({"data": "a", "terms": "b" * 1001, "attribution": "c"}, "terms of the licence is no"),
        ({"data": 1, "terms": "b", "attribution": "c"}, "data of the licence is no"),
    ],
)
def test_odd_licences_are_refused(record, message):
    with pytest.raises(MscnError, match=message):
        Licence.of(record)
