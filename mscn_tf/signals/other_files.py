"""What a file is by its first bytes: so that a pipe needs no name, and an error says what helps."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HEAD = 4096  # bytes that are looked at

_RAW = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf "
    ".raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
RAW_WORDS = "a camera's raw file; develop it to an 8-bit PNG or JPEG first"

_DICOM = "dcm2niix makes .nii files of a series, which are read"
_SVG = "a drawing in SVG; render it to PNG first: rsvg-convert, inkscape"
_GLTF = "a mesh in glTF; give --modality=mesh"
_VIDEO = "a video; save one of its frames as a picture"


class _Signature(NamedTuple):
    """Bytes that tell what a file is.

    Attributes:
      start: where they lie.
      magic: the bytes.
      told: what to say of the file where a picture is wanted.
      ending: of the names of such files, where the package reads them.
    """

    start: int
    magic: bytes
    told: str
    ending: str = ""


def _named(noun: str, modality: str, ending: str) -> tuple[str, str]:
    """What to say of files that another modality reads by their ending, and the ending."""
    return f"{noun}; let it end in {ending}, or give --modality={modality}", ending


_SIGNATURES = (
    _Signature(0, b"mscn", "a .mscn file already; mscn decode reads it"),
    _Signature(0, b"%PDF", "a PDF document; render a page to PNG first: pdftoppm -png"),
    _Signature(0, b"%!PS", "a PostScript document; render it to PNG first: gs -sDEVICE=png16m"),
    _Signature(0, b"8BPS", "a Photoshop document; save it as PNG"),
    _Signature(0, b"\x00\x00\x01\x00", "an icon of several sizes; save one of them as PNG"),
    _Signature(0, b"\x76\x2f\x31\x01", "OpenEXR, of high dynamic range; convert it to 8-bit PNG"),
    _Signature(0, b"#?RADIANCE", "Radiance, of high dynamic range; convert it to 8-bit PNG"),
    _Signature(0, b"\xff\x0a", "JPEG XL; convert it to PNG first: djxl"),
    _Signature(4, b"JXL \r\n", "JPEG XL; convert it to PNG first: djxl"),
    _Signature(0, b"qoif", "a QOI picture; convert it to PNG first"),
    _Signature(
        0,
        b"SIMPLE  =",
        "a FITS file; scale it to 8 bits and save it as PNG: astropy.io.fits",
    ),
    _Signature(128, b"DICM", f"a DICOM file; {_DICOM}"),
    _Signature(
        0,
        b"GRIB",
        "a GRIB file; convert it to NetCDF first: cdo -f nc copy, or xarray with cfgrib",
    ),
    _Signature(0, b"\x89HDF", *_named("NetCDF or HDF5", "field", ".nc")),
    _Signature(0, b"CDF\x01", *_named("NetCDF", "field", ".nc")),
    _Signature(0, b"CDF\x02", *_named("NetCDF", "field", ".nc")),
    _Signature(0, b"CDF\x05", *_named("NetCDF", "field", ".nc")),
    _Signature(0, b"glTF", *_named("a mesh in glTF", "mesh", ".glb")),
    _Signature(0, b"ply", *_named("a mesh", "mesh", ".ply")),
    _Signature(0, b"OFF", *_named("a mesh", "mesh", ".off")),
    _Signature(0, b"solid", *_named("a mesh", "mesh", ".stl")),
    _Signature(0, b"#binvox", *_named("voxels", "voxels", ".binvox")),
    _Signature(344, b"n+1\0", *_named("a NIfTI volume", "volume", ".nii")),
    _Signature(344, b"ni1\0", "a NIfTI header; give the .nii file", ".nii"),
    _Signature(0, b"\x5c\x01\0\0", "a NIfTI or Analyze header; give the .nii file"),
    _Signature(8, b"WAVE", *_named("a sound", "sound", ".wav")),
    _Signature(0, b"fLaC", *_named("a sound", "sound", ".flac")),
    _Signature(
        0, b"OggS", "a sound or a video; convert it to WAV first: ffmpeg -i IN OUT.wav", ".ogg"
    ),
    _Signature(0, b"FORM", *_named("a sound", "sound", ".aiff")),
    _Signature(0, b".snd", *_named("a sound", "sound", ".au")),
    _Signature(0, b"caff", *_named("a sound", "sound", ".caf")),
    _Signature(0, b"riff", *_named("a sound", "sound", ".w64")),
    _Signature(0, b"ID3", *_named("a sound", "sound", ".mp3")),
    _Signature(0, b"\xff\xfb", *_named("a sound", "sound", ".mp3")),
    _Signature(0, b"\x93NUMPY", "a NumPy array; let it end in .npy", ".npy"),
    _Signature(4, b"ftypisom", _VIDEO),
    _Signature(4, b"ftypmp4", _VIDEO),
    _Signature(4, b"ftypqt", _VIDEO),
    _Signature(0, b"\x1aE\xdf\xa3", _VIDEO),
    _Signature(8, b"AVI ", _VIDEO),
    _Signature(
        0,
        b"\x1f\x8b",
        "compressed by gzip; unpack it, or let it end in .nii.gz if it is one",
        ".nii.gz",
    ),
    _Signature(0, b"PK\x03\x04", "a ZIP archive; unpack it first"),
    _Signature(0, b"version https://git-lfs", "a pointer of Git LFS; fetch the file: git lfs pull"),
)
# Of pictures that Pillow can't identify all the same.
_PICTURES = (
    (0, b"\x89PNG", "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (8, b"WEBP", "WebP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_AVIF = (b"avif", b"avis")
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_ENDINGS = {
    ".mgz": "a FreeSurfer volume; convert it first: mri_convert IN.mgz OUT.nii.gz",
    ".dcm": f"a DICOM file; {_DICOM}",
    ".svg": _SVG,
    ".svgz": _SVG,
    ".npz": "several arrays; save one of them with numpy.save, as .npy",
    ".gltf": _GLTF,
}


def words(head: bytes, name: str) -> str:
    """What a file is, which Pillow takes for no picture, and what can be done about it.

    Args:
      head: its first `HEAD` bytes.
      name: its name, or what it is called.
    """
    suffix = Path(name).suffix.lower()
    if suffix in _RAW:
        return RAW_WORDS
    if suffix in _ENDINGS:
        return _ENDINGS[suffix]
    for signature in _SIGNATURES:
        if head[signature.start :].startswith(signature.magic):
            return signature.told
    if head[4:8] == b"ftyp" and head[8:12] in _AVIF:
        return "AVIF, which needs Pillow 11.3 or later, or is damaged: pip install -U pillow"
    if head[4:8] == b"ftyp" and head[8:12] in HEIC:
        return "HEIC, which needs pillow-heif, or is damaged: pip install pillow-heif"
    for start, magic, kind in _PICTURES:
        if head[start:].startswith(magic):
            return f"damaged, or {kind} of a kind that can't be read; save it anew as 8-bit PNG"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!--")) and b"<svg" in text:
        return _SVG
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page, not a picture; download the picture itself"
    return "not a picture of a kind that is read; give a PNG, JPEG, WebP or TIFF file"


def ending(head: bytes) -> str:
    """What names of such files end in, by their first `HEAD` bytes; "" where no reader asks it."""
    for signature in _SIGNATURES:
        if signature.ending and head[signature.start :].startswith(signature.magic):
            return signature.ending
    return ""


def folder_words(names: set[str]) -> str:
    """What a folder of such entries is that holds no picture."""
    if names & {".zarray", ".zgroup", "zarr.json"}:
        return "a Zarr store; write it as NetCDF first: xarray.open_zarr(IN).to_netcdf(OUT)"
    if any(name.lower().endswith(".dcm") for name in names):
        return f"a series of DICOM files; {_DICOM}"
    return "no picture in this folder; give one with PNG or JPEG files"


def is_raw(head: bytes, name: str) -> bool:
    """Whether a TIFF, by its first bytes or its name, is a camera's raw file."""
    return Path(name).suffix.lower() in _RAW or head[8:10] == b"CR"
