"""Makes golden files of the present format version, once and for all; run from the root.

    mscn train --config=tests/golden/config.py --workdir=DIR
    python tests/golden/make.py v1 DIR/golden.mscnb
    python -c "from tests.pyramids import write_codec; write_codec('DIR/random.mscnb', 32)"
    python tests/golden/make.py v1pyramid DIR/random.mscnb
    python -c "from tests.pyramids import write_codec; write_codec('DIR/signs.mscnb', 32, True)"
    python tests/golden/make.py v1signs DIR/signs.mscnb
    mscn train --config=tests/tiny_modulated.py:FOLDER --workdir=DIR    # its first form, of 8x2
    python tests/golden/make.py v1modulated DIR/tiny.mscnb
    python -c "from tests.pyramids import write_codec; write_codec('DIR/m.mscnb', 32, True, True)"
    python tests/golden/make.py v1filter DIR/m.mscnb
    python -c "from tests.pyramids import write_codec; write_codec('DIR/u', 32, True, updates=True)"
    python tests/golden/make.py v1updates DIR/u
    python -c "from tests.pyramids import write_codec; write_codec('DIR/s', 32, *[True] * 4)"
    python tests/golden/make.py v1shares DIR/s
    python -c "from tests.pyramids import write_codec; write_codec('DIR/t', 32, *[True] * 5)"
    python tests/golden/make.py v1steps DIR/t
    python -c "from tests.pyramids import write_codec; write_codec('DIR/f', 32, *[True] * 6)"
    python tests/golden/make.py v1taps DIR/f 9
    python -m tests.golden.make v1 alpha                # pictures with alpha and residuals,
    python -m tests.golden.make v1signs alpha           # of bundles made above
    python -m tests.golden.make v1MODALITY MODALITY     # any key of `config.SMALL`: trains as well
    python -m tests.golden.make v1interpolation interpolation   # of random weights
    python -m tests.golden.make v1 exact                # of format version 2, likewise v1signs,
                                                        # v1sound, v1volume, v1voxels
    python -m tests.golden.make v1signs narrow          # of format version 3, these five
    python -m tests.golden.make v1interpolation packed
    python -m tests.golden.make v1interpolation parents
    python -m tests.golden.make v1mesh slices
    python -m tests.golden.make v1signs photographs     # with the networks of `field`
    python -m tests.golden.make v1surface surface       # with the shipped bundle
    python -m tests.golden.make v1sound waves           # with the tables of `field`
    python -m tests.golden.make v1interpolation wide    # with the networks of `field`
    python -m tests.golden.make v1signs drawings

Files that are once in the repository are never made again: they must decode forever.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from mscn_tf.codec import Codec
from mscn_tf.runtime import exact
from mscn_tf.runtime.bundle import SHIPPED
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.files import atomic_write
from mscn_tf.runtime.pyramids import Pyramids

HERE = Path(__file__).resolve().parent
# Of each modality: sizes of a single signal, which no tile divides, and of an archive's.
SHAPES: dict[str, tuple[tuple[int, ...], list[tuple[int, ...]]]] = {
    "field": ((9, 18), [(11, 16), (11, 16)]),
    "sound": ((200,), [(300,), (5,), (32,)]),
    "volume": ((7, 9, 8), [(6, 6, 6), (3, 5, 13)]),
    "voxels": ((8, 8, 8), [(8, 8, 8), (9, 5, 11)]),
    "silhouette": ((16, 16), [(16, 16), (16, 16)]),
    "mesh": ((11, 11, 11), [(6, 6, 6)]),
    "scene": ((6, 6, 6), [(4, 4, 4)]),
}
METADATA: dict[str, dict[str, Any]] = {
    "field": {  # from south to north, not quite regular, and shifted
        "latitude": [-85.0, *range(-70, 71, 17), 85.0],
        "longitude": [10.0 + 22.5 * column for column in range(16)],
    },
    "sound": {"rate": [8000, 8000, 11025], "subtype": "PCM_16"},
    "volume": {"low": [-3.0, 0.0], "high": [5.0, 1e4], "dtype": "<i2"},
    "voxels": {"translate": [[0.0, 0.5, -1.0]] * 2, "scale": [1.0, 2.5]},
    "silhouette": {"size": [[640, 480], [31, 77]]},
    "mesh": {"corner": [[-1.0, -2.0, 0.25]], "cell": [0.125], "cells": 6},
    "scene": {"bound": 1.5, "focal": 110.5, "picture_size": [40, 30], "distance": 4.0},
}
QUALITIES = (10.0, 1.0, 4.8125)  # of an archive's items
# What none of the values of a file may be off by.
BOUNDS = {"field": 0.5, "sound": 0.01, "volume": 3, "voxels": 0}


def keep(codec: Codec, stem: str, data: bytes) -> None:
    """Writes a file and what it decodes to.

    Raises:
      SystemExit: it's there already.
    """
    if (HERE / f"{stem}.mscn").exists():
        raise SystemExit(f"{stem}.mscn exists: golden files are never made again")
    decoded = list(codec.decode_all(data))
    if codec.bundle.manifest.modality == "image":
        for index, pixels in enumerate(decoded):
            drawn = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
            Image.fromarray(drawn).save(HERE / f"{stem}_{index}.png")
    else:
        np.savez_compressed(HERE / f"{stem}.npz", *decoded)
    with atomic_write(HERE / f"{stem}.mscn") as file:
        file.write(data)


def install(name: str, bundle: Path) -> Codec:
    """The codec of a bundle that is put beside the golden files."""
    target = HERE / f"{name}.mscnb"
    if target.exists():
        raise SystemExit(f"{target.name} exists: golden files are never made again")
    with atomic_write(target) as file:
        file.write(bundle.read_bytes())
    return Codec.load(target)


def make_pictures(name: str, bundle: Path, quality: float = 7) -> None:
    """A picture and an archive of a codec of pictures."""
    codec = install(name, bundle)
    picture = demo()[200:263, 300:397]  # sides that no tile divides
    keep(codec, f"{name}_picture", codec.encode(picture, quality=quality))
    items = [demo()[:16, :16], demo()[40:60, 50:90], grey(demo()[300:317, 10:30])]
    names = ["a.png", "b.png", "c.png"]
    keep(codec, f"{name}_archive", codec.encode(items, quality=5, names=names))


def make_alpha(name: str) -> None:
    """Pictures with and without alpha, and of a codec of tiles a file with residuals as well."""
    codec = Codec.load(HERE / f"{name}.mscnb")
    ramp = np.indices((21, 34)).sum(0)[..., None]
    alpha = np.clip(6 * ramp - 60, 0, 255).astype(np.uint8)
    part = demo()[220:241, 330:364]
    items = [
        np.concatenate([part, alpha], -1),
        grey(part[:9, :7]),
        np.concatenate([grey(part), alpha], -1),
        part[:, :5],
    ]
    names = ["colour + alpha", "grey", "größer/../grey + alpha", ""]
    keep(codec, f"{name}_alpha", codec.encode(items, quality=6.5, names=names))
    if not isinstance(codec.scheme, Pyramids):
        items.append(codec.decode(codec.encode(part[:16, :16], quality=3)))
        keep(codec, f"{name}_bounded", codec.encode(items, quality=3, max_error=4))


def make_signals(name: str, modality: str) -> None:
    """A codec trained on made-up signals, one of them, an archive, and one within a bound."""
    from tests.golden.signals import signal

    single, several = SHAPES[modality]
    with tempfile.TemporaryDirectory() as folder:
        codec = install(name, trained(modality, Path(folder)))
    keep(codec, f"{name}_single", codec.encode(signal(modality, single, 1), quality=6))
    items = [signal(modality, shape, 2 + number) for number, shape in enumerate(several)]
    keep(codec, f"{name}_archive", archive(codec, items, METADATA[modality]))
    if modality in BOUNDS:
        bound = BOUNDS[modality]
        keep(codec, f"{name}_bounded", codec.encode(items, quality=4, max_error=bound))


def make_interpolation(name: str) -> None:
    """A codec of interpolation; a field that goes round the Earth, and a region's with a bound."""
    from tests import interpolations

    with tempfile.TemporaryDirectory() as folder:
        codec = install(name, interpolations.write_codec(Path(folder) / "random.mscnb"))
    (single,) = interpolations.fields((13, 24))
    keep(codec, f"{name}_single", codec.encode(single, quality=6))
    items = interpolations.fields((11, 17), 2, seed=1)
    items.append(np.full_like(items[0], 250.0))
    metadata = {
        "latitude": [40.0 + row for row in range(11)],
        "longitude": [5.0 + column for column in range(17)],
    }
    keep(codec, f"{name}_bounded", codec.encode(items, max_error=0.03, metadata=metadata))


def make_exact(name: str) -> None:
    """A file of which some is exact, beside what isn't where there is such."""
    codec = Codec.load(HERE / f"{name}.mscnb")
    modality = codec.bundle.manifest.modality
    if modality == "image":
        ramp = np.indices((63, 97)).sum(0)[..., None]
        disc = np.clip(40 * (30 - np.hypot(ramp - 70, ramp[::-1] - 80)), 0, 255).astype(np.uint8)
        part = demo()[200:263, 300:397]
        items = [
            np.concatenate([part, disc], -1),
            np.full((2, 2, 3), [1, 200, 77], np.uint8),
            np.concatenate([np.full_like(disc, 9), (2 * ramp).clip(0, 255).astype(np.uint8)], -1),
            grey(part),
        ]
        data = codec.encode(items, quality=3, names=["disc", "flat", "ramp", "grey"])
    else:
        from tests.golden.signals import signal

        items = [signal(modality, shape, 9 + n) for n, shape in enumerate(SHAPES[modality][1])]
        items.append(np.full_like(items[0], items[0].flat[0]))
        bounded = {"quality": 4, "max_error": 0.01}
        data = codec.encode(items, **(bounded if modality == "sound" else {"lossless": True}))
    assert data[4] == 2
    keep(codec, f"{name}_exact", data)


def make_photographs(name: str) -> None:
    """A file of grids: one item without loss, one within a bound."""
    codec = Codec.load(HERE / f"{name}.mscnb")
    items = [demo()[220:244, 190:222], grey(demo()[40:70, 640:672])]
    data = codec.encode(items, max_error=[0, 3])
    assert [block[0] for block in Container.from_bytes(data).exact_blocks] == [exact.GRIDS] * 2
    keep(codec, f"{name}_photographs", data)


def make_drawings(name: str) -> None:
    """Letters and lines, in colour, in grey, and with alpha."""
    codec = Codec.load(HERE / f"{name}.mscnb")
    picture = Image.new("RGB", (110, 64), (240, 238, 250))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((3, 3, 60, 40), (200, 30, 40), (0, 0, 90))
    for row in range(2, 60, 12):
        draw.text((row // 3, row), "letters, and again", (20, 20, 20))
    draw.line((0, 64, 110, 0), (9, 120, 9), 2)
    drawn = np.asarray(picture)
    items = [drawn, grey(drawn)[:40], np.concatenate([drawn[5:50], grey(drawn)[10:55]], -1)]
    data = codec.encode(items, lossless=True)
    forms = [block[0] for block in Container.from_bytes(data).exact_blocks]
    assert forms == [exact.DRAWING] * 4
    keep(codec, f"{name}_drawings", data)


def make_waves(name: str) -> None:
    """Two channels, one less its share of the other; and one of floats within a bound."""
    codec, random = Codec.load(HERE / f"{name}.mscnb"), np.random.default_rng(5)
    time = np.arange(1500)
    hum = 9000 * np.sin(time / 7) * np.exp(-((time - 700) ** 2) / 2e5)
    left = np.rint(hum + random.normal(0, 40, 1500))
    right = np.rint(0.7 * left + random.normal(0, 9, 1500))
    channels = [(part / 2**15).astype(np.float32)[:, None] for part in (left, right)]
    floats = (channels[0] + random.normal(0, 1e-3, (1500, 1))).astype(np.float32)
    metadata = {"rate": 11025, "subtype": ["PCM_16", "PCM_16", "FLOAT"], "file": [0, 0, 1]}
    data = codec.encode([*channels, floats], max_error=[0, 0, 1e-3], metadata=metadata)
    payloads = Container.from_bytes(data).exact_blocks
    assert [(payload[0], exact.needs_before(payload)) for payload in payloads] == [
        (exact.WAVES, False),
        (exact.WAVES, True),
        (exact.WAVES, False),
    ]
    keep(codec, f"{name}_waves", data)


def make_surfaces(name: str) -> None:
    """A solid, and an archive whose items' sides fit no level."""
    from tests.runtime.test_surfaces import solid

    codec = install(name, Path(f"{SHIPPED}/surface.mscnb"))
    keep(codec, f"{name}_single", codec.encode(solid((17, 17, 33)), quality=6))
    items = [solid((12, 9, 20), 1.0), solid((3, 1, 2)), solid((9, 17, 10), 2.0)]
    keep(codec, f"{name}_archive", codec.encode(items, quality=9))


def make_exact_voxels(name: str) -> None:
    """Truth values in both forms: the items within a bound, and one more that is exact."""
    noise = np.random.default_rng(3).random((7, 9, 8, 1)) < 0.4
    container = Container.from_bytes((HERE / f"{name}_bounded.mscn").read_bytes())
    count = container.items
    data = replace(
        container,
        shapes=[*container.shapes, noise.shape[:3]],
        q16=[*container.q16, 160],
        channels=[*container.channels, 1],
        residuals=[*container.residuals, b""],
        exact=[0] * count + [1],
        exact_blocks=[exact.encode(noise)],
    ).to_bytes()
    keep(Codec.load(HERE / f"{name}.mscnb"), f"{name}_exact", data)


def make_narrow(name: str) -> None:
    """Pictures whose tiles are longer than those of others, and one whose tiles are not."""
    codec = Codec.load(HERE / f"{name}.mscnb")
    ramp = np.indices((90, 5)).sum(0)[..., None]
    items = [
        demo()[200:203, 100:400],
        np.concatenate([grey(demo()[300:390, 80:85]), (2 * ramp).astype(np.uint8)], -1),
        demo()[100:140, 300:335],
        demo()[50:51, 10:511],
    ]
    data = codec.encode(items, quality=6, names=["wide", "tall", "plain", "a row"])
    assert Container.from_bytes(data).by_area
    keep(codec, f"{name}_narrow", data)


def make_packed(name: str) -> None:
    """A field with a bound, whose metadata have lists of numbers of all kinds."""
    from tests import interpolations

    codec = Codec.load(HERE / f"{name}.mscnb")
    attrs = {"units": "K", "~": "~", "~~tilde": [1, 2, 4, 8], "größer": "Größe"}
    metadata = {
        "latitude": [89.14151942646, 70.1, 50.2, 30.3, 10.4, -9.5, -29.4, -49.3, -69.2],
        "longitude": [round(0.1 * column - 3, 1) for column in range(20)],
        "axes": ["lat", "lon"],
        "fields": [{"name": "tas", "units": "K", "missing": -999.0}],
        "cells": [(row + 0.5) * 180 / 23 - 90 for row in range(23)],
        "levels": [1000.0, 925.5, 850.25, 700.0, 600.0, 500.0, 399.75, 300.0],
        "mask": [0] * 9,
        "rounded": np.linspace(-3.3, 4, 9).astype(np.float32).tolist(),
        "roots": [float(np.float32(round(number**0.5, 4))) for number in range(10)],
        "times": list(range(-3, 40, 6)),
        "netcdf": {"model": "NETCDF4", "attrs": attrs, "dims": [["lat", 9, False]]},
    }
    items = interpolations.fields((9, 20), 2, seed=7)
    data = codec.encode(items, max_error=0.05, metadata=metadata)
    assert data[4] == 3
    keep(codec, f"{name}_packed", data)


def make_slices(name: str) -> None:
    """Volumes of slices: whole numbers without loss, and numbers within a bound."""
    codec = Codec.load(HERE / f"{name}.mscnb")
    random = np.random.default_rng(2)
    z, y, x = np.indices((18, 12, 14))
    waves = 90 * np.sin(z / 9) * np.cos(y / 5) + 4 * x + random.normal(0, 2, z.shape)
    whole = np.rint(waves).astype(np.float32)[..., None]
    shares = ((waves - waves.min()) / np.ptp(waves)).astype(np.float32)[2:9, ..., None]
    data = codec.encode([whole, shares], max_error=[0, 0.01])
    assert [block[0] for block in Container.from_bytes(data).exact_blocks] == [exact.SLICES] * 2
    keep(codec, f"{name}_slices", data)


def make_parents(name: str) -> None:
    """Fields that follow from others: the one before, one farther back, and none."""
    from tests import interpolations

    codec = Codec.load(HERE / f"{name}.mscnb")
    first, other = interpolations.fields((10, 14), 2, seed=3)
    flat, lone = np.full_like(first, 250.0), interpolations.fields((9, 16), seed=5)[0]
    changes = interpolations.fields((10, 14), 3, seed=4)
    near = [first + 0.01 * (change - 260) for change in changes]
    items = [first, near[0], flat, near[1], lone, other, other + 0.5 * (near[2] - first)]
    data = codec.encode(items, max_error=[0.04, 0.02, 0.02, 0.05, 0.02, 0.02, 0.02])
    fields = [codec.decode_symbols(data, item) for item in (0, 1, 3, 4, 5, 6)]
    distances = [field.descent and field.descent.distance for (field,) in fields]
    assert distances == [None, 1, 2, None, None, 1], distances
    keep(codec, f"{name}_parents", data)


def make_wide(name: str) -> None:
    """Fields of float64 and of wide integers, in all ways to write them, some within a bound."""
    from tests import interpolations

    codec = Codec.load(HERE / f"{name}.mscnb")
    field = interpolations.fields((19, 34), 1, seed=3)[0].astype(np.float64)
    steps = np.rint(field / 0.0017) + 0.0
    items = [
        np.round(field, 3),
        field - 273.15,
        steps * 0.0017 + 273.15,
        np.exp(field - 300),
        np.where(field > 280, -0.0, 5e-324 * np.rint(field)),
        np.rint(field * 1e6).astype(np.int32),
        np.rint(field * 1e7).astype(np.uint32),
        np.rint(field * 1e12).astype(np.int64) - 2**62,
        np.rint(field * 1e12).astype(np.uint64) + np.uint64(2**63),
        field.astype(np.float32),
        np.sqrt(field),
        np.sqrt(field),
        np.rint(field * 1e12).astype(np.int64) - 2**62,
    ]
    bounds = [0.0] * 10 + [1e-7, 1e-13, 1e5]
    keep(codec, f"{name}_wide", codec.encode(items, max_error=bounds))


def archive(codec: Codec, items: list[np.ndarray], metadata: dict[str, Any]) -> bytes:
    """Signals of qualities of their own, the first one scrambled, in blocks of two tiles."""
    scrambled = np.random.default_rng(1).permutation(items[0].ravel()).reshape(items[0].shape)
    items, symbols = [scrambled, *items[1:]], []
    for item, quality in zip(items, QUALITIES):
        data = codec.encode(item, quality=quality, metadata=metadata)
        symbols.append(codec.decode_symbols(data))
    return codec.pack(
        np.concatenate(symbols),
        [item.shape[:-1] for item in items],
        [round(16 * quality) for quality in QUALITIES[: len(items)]],
        [item.shape[-1] for item in items],
        [f"{codec.bundle.name} {number}" for number in range(len(items))],
        2,
        metadata,
    )


def trained(modality: str, folder: Path) -> Path:
    """The bundle of a codec of `config.get_config(modality)`."""
    from mscn_tf.export.codec_bundle import write_codec_bundle
    from mscn_tf.fitting.basis_codec import tile_shape
    from mscn_tf.runtime.values import Values
    from mscn_tf.signals.sampler import SignalSampler
    from mscn_tf.training.loop import read_record, run
    from mscn_tf.training.tiles import START_STEP, TileTrainer
    from tests.golden.config import get_config
    from tests.golden.signals import signal

    config = get_config(modality)
    values, shape = Values(**config["values"]), tile_shape(config.model)
    signals = [values.normalise(signal(modality, shape, 100 + seed)) for seed in range(600)]
    sampler = SignalSampler(signals, shape, config.seed)
    trainer = TileTrainer(config, sampler, sampler.draw(config.validation_tiles, START_STEP))
    run(trainer, folder)
    bundle = folder / f"{config.name}.mscnb"
    write_codec_bundle(bundle, trainer, trainer.freeze(), read_record(folder))
    return bundle


def demo() -> np.ndarray:
    """The demo's picture."""
    return np.asarray(Image.open(HERE.parents[1] / "demo" / "kodim.png"))


def grey(picture: np.ndarray) -> np.ndarray:
    """The mean of the channels."""
    return picture.mean(2, keepdims=True).astype(np.uint8)


def main(name: str, what: str, *quality: str) -> None:
    """Makes what the command line names."""
    if what == "alpha":
        make_alpha(name)
    elif (name, what) == ("v1voxels", "exact"):
        make_exact_voxels(name)
    elif what == "narrow":
        make_narrow(name)
    elif what == "packed":
        make_packed(name)
    elif what == "slices":
        make_slices(name)
    elif what == "parents":
        make_parents(name)
    elif what == "wide":
        make_wide(name)
    elif what == "interpolation":
        make_interpolation(name)
    elif what == "exact":
        make_exact(name)
    elif what == "photographs":
        make_photographs(name)
    elif what == "drawings":
        make_drawings(name)
    elif what == "surface":
        make_surfaces(name)
    elif what == "waves":
        make_waves(name)
    elif what in SHAPES:
        make_signals(name, what)
    else:
        make_pictures(name, Path(what), *map(float, quality))


if __name__ == "__main__":
    main(*sys.argv[1:])
