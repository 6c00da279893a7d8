"""What a file is that holds no picture, by its first bytes: so that an error can say what helps."""

from __future__ import annotations

from pathlib import Path

HEAD = 4096  # bytes that are looked at

_RAW = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf "
    ".raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
RAW_WORDS = "a camera's raw file; develop it to an 8-bit PNG or JPEG first"

_DICOM = "dcm2niix makes .nii files of a series, which are read"
_SVG = "a drawing in SVG; render it to PNG first: rsvg-convert, inkscape"
_GLTF = "a glTF model; export it as .ply or .obj first: trimesh does"
_NETCDF = "NetCDF; let it end in .nc, or give --modality=field"
_VIDEO = "a video; save one of its frames as a picture"

# By where the bytes lie, the bytes, and what to say.
_KINDS = (
    (0, b"mscn", "a .mscn file already; mscn decode reads it"),
    (0, b"%PDF", "a PDF document; render a page to PNG first: pdftoppm -png"),
    (0, b"%!PS", "a PostScript document; render it to PNG first: gs -sDEVICE=png16m"),
    (0, b"8BPS", "a Photoshop document; save it as PNG"),
    (0, b"\x00\x00\x01\x00", "an icon of several sizes; save one of them as PNG"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR, of high dynamic range; convert it to 8-bit PNG"),
    (0, b"#?RADIANCE", "Radiance, of high dynamic range; convert it to 8-bit PNG"),
    (0, b"\xff\x0a", "JPEG XL; convert it to PNG first: djxl"),
    (4, b"JXL \r\n", "JPEG XL; convert it to PNG first: djxl"),
    (0, b"qoif", "a QOI picture; convert it to PNG first"),
    (0, b"SIMPLE  =", "a FITS file; scale it to 8 bits and save it as PNG: astropy.io.fits"),
    (128, b"DICM", f"a DICOM file; {_DICOM}"),
    (0, b"GRIB", "a GRIB file; convert it to NetCDF first: cdo -f nc copy, or xarray with cfgrib"),
    (0, b"\x89HDF", "NetCDF or HDF5; let it end in .nc, or give --modality=field"),
    (0, b"CDF\x01", _NETCDF),
    (0, b"CDF\x02", _NETCDF),
    (0, b"CDF\x05", _NETCDF),
    (0, b"glTF", _GLTF),
    (0, b"ply\n", "a mesh; let it end in .ply, or give --modality=mesh"),
    (0, b"OFF\n", "a mesh; let it end in .off, or give --modality=mesh"),
    (0, b"solid ", "a mesh; let it end in .stl, or give --modality=mesh"),
    (0, b"#binvox", "voxels; let it end in .binvox, or give --modality=voxels"),
    (344, b"n+1\0", "a NIfTI volume; let it end in .nii, or give --modality=volume"),
    (0, b"\x5c\x01\0\0", "a NIfTI or Analyze header; give the .nii file"),
    (8, b"WAVE", "a sound; let it end in .wav, or give --modality=sound"),
    (0, b"fLaC", "a sound; convert it to WAV first: flac -d"),
    (0, b"OggS", "a sound or a video; convert it to WAV first: ffmpeg -i IN OUT.wav"),
    (0, b"ID3", "a sound; convert it to WAV first: ffmpeg -i IN OUT.wav"),
    (0, b"\x93NUMPY", "a NumPy array; let it end in .npy"),
    (4, b"ftypisom", _VIDEO),
    (4, b"ftypmp4", _VIDEO),
    (4, b"ftypqt", _VIDEO),
    (0, b"\x1aE\xdf\xa3", _VIDEO),
    (8, b"AVI ", _VIDEO),
    (0, b"\x1f\x8b", "compressed by gzip; unpack it, or let it end in .nii.gz if it is one"),
    (0, b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (0, b"version https://git-lfs", "a pointer of Git LFS; fetch the file: git lfs pull"),
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
    for start, magic, told in _KINDS:
        if head[start:].startswith(magic):
            return told
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
