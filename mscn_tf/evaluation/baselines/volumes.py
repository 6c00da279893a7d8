"""Compressors of a volume's own values, and JPEG 2000 slice by slice."""

from __future__ import annotations

import io

import numpy as np
import PIL
from PIL import Image, features

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.baselines.compressors import compressors
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals.scale import Scale, scales_of

_RATES = (640, 320, 240, 160, 120, 80, 56, 40, 28, 20, 14, 10, 7, 5)
_START, _END = b"\xff\x4f\xff\x51", b"\xff\xd9"  # of a codestream: SOC and SIZ, EOC


def _scale(signal: Signal) -> Scale:
    return scales_of(signal.metadata or {})[0]


def _pack(signal: Signal) -> bytes:
    return _scale(signal).values(signal.array).tobytes()


def _unpack(data: bytes, signal: Signal) -> np.ndarray:
    values = np.frombuffer(data, _scale(signal).dtype).reshape(signal.array.shape)
    return _scale(signal).shares(values)


def _encode_jpeg2000(signal: Signal, rate: float) -> bytes:
    streams = []
    for one in np.rint(255 * signal.array[..., 0]).astype(np.uint8):
        file = io.BytesIO()
        Image.fromarray(one).save(
            file, "JPEG2000", irreversible=True, quality_layers=[rate], no_jp2=True
        )
        streams.append(file.getvalue())
    return b"".join(streams)


def _decode_jpeg2000(data: bytes, signal: Signal, rate: float) -> np.ndarray:
    # The end's marker stands in no packet: coded bytes after FF are below 90 (ISO 15444-1, A.1.3).
    streams = [stream + _END for stream in data[: -len(_END)].split(_END + _START)]
    slices = []
    for number, stream in enumerate(streams):
        with Image.open(io.BytesIO((_START if number else b"") + stream)) as image:
            slices.append(np.asarray(image))
    return (np.stack(slices) / 255).astype(np.float32)[..., None]


BASELINES = (
    *(
        one
        for one in compressors(_pack, _unpack, "values as they are stored")
        if not one.together  # volumes of one file may differ in range
    ),
    Baseline(
        name="jpeg2000",
        family="jpeg2000",
        label="JPEG 2000, slice by slice",
        settings=_RATES,
        encode=_encode_jpeg2000,
        decode=_decode_jpeg2000,
        version=lambda: (
            f"Pillow {PIL.__version__} with OpenJPEG {features.version('jpg_2000')}; 8 bits of "
            "the volume's range, slices along the first axis, rates, 9/7 wavelet, raw codestreams"
        ),
    ),
)
