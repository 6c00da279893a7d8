"""Memory and times of a file of many fields: written, and one of them read.

    python benchmarks/many_fields.py [--count=10000] [--shape=73,144]

Prints the peak of each step's memory over what the program takes with a few fields, and the most
CPU time of 20 readings of one field and those that it follows from, of a file that is opened anew
each time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable

import netCDF4
import numpy as np

from mscn_tf.codec import Codec, checked
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.signals import fields
from mscn_tf.signals.signal import Selection

_FEW = 20
_READINGS = 20


def write_fields(path: Path, count: int, shape: tuple[int, int]) -> None:
    """A NetCDF file of waves that travel east, with some noise."""
    random = np.random.default_rng(0)
    latitude = np.linspace(-90, 90, shape[0])
    longitude = np.arange(shape[1]) * (360 / shape[1])
    with netCDF4.Dataset(path, "w") as dataset:
        for name, size in (("time", None), ("lat", shape[0]), ("lon", shape[1])):
            dataset.createDimension(name, size)
        axes = (("time", "hours since 2000-01-01"), ("lat", "degrees_north"))
        for name, unit in (*axes, ("lon", "degrees_east")):
            dataset.createVariable(name, "f8", (name,)).units = unit
        dataset["lat"][:], dataset["lon"][:] = latitude, longitude
        dataset["time"][:] = np.arange(count)
        values = dataset.createVariable(
            "u", "f4", ("time", "lat", "lon"), chunksizes=(1, *shape), zlib=True, complevel=1
        )
        values.units = "m s-1"
        for hour in range(count):
            waves = np.cos(np.radians(5 * longitude - hour)) * np.cos(np.radians(latitude))[:, None]
            values[hour] = 12 * waves + random.normal(0, 0.2, shape)


def encode(source: Path, target: Path) -> None:
    """As ``mscn encode --relative-error=0.001`` does it."""
    codec, signals = Codec.load("field"), fields.read(source)
    wanted = checked.Wanted(relative=1e-3).of(codec, signals)
    target.write_bytes(checked.encode(codec, signals, wanted).data)


def decode(source: Path, target: Path) -> None:
    """As ``mscn decode`` does it."""
    container = Container.from_bytes(source.read_bytes(), lazy=True)
    decoded = FileDecoder.of(container).decode_all(container)
    selection = Selection(container.shapes)
    fields.write(target, decoded, container.names, container.metadata, selection)


def read_one(source: Path) -> list[float]:
    """CPU seconds of each of some readings of a field, from the file on, the codec known."""
    codec, found = FileDecoder.load("field"), []
    codec.scheme.warm_up()
    count = Container.from_bytes(source.read_bytes(), lazy=True).items
    for item in np.linspace(0, count - 1, _READINGS).astype(int).tolist():
        begun = time.process_time()
        codec.decode(Container.from_bytes(source.read_bytes(), lazy=True), item)
        found.append(time.process_time() - begun)
    return found


def _measured(work: Callable[[], Any]) -> tuple[Any, float, float]:
    begun = time.perf_counter()
    found = work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found, time.perf_counter() - begun, peak


def measured(work: Callable[..., Any], *paths: Path) -> tuple[Any, float, float]:
    """What a function gives in a process of its own; its seconds and its peak memory, MiB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (partial(work, *paths),))


def main() -> None:
    """Prints memory and times, with a few fields and with many."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--shape", default="73,144", help="rows and columns")
    options = parser.parse_args()
    rows, columns = map(int, options.shape.split(","))
    with TemporaryDirectory() as folder:
        for count in (_FEW, options.count):
            paths = [Path(folder) / f"{count}{ending}" for ending in (".nc", ".mscn", "_back.nc")]
            write_fields(paths[0], count, (rows, columns))
            for work, of in ((encode, paths[:2]), (decode, paths[1:])):
                _, seconds, peak = measured(work, *of)
                print(
                    f"{count} fields, {work.__name__}: {seconds:.1f} s, {peak:.0f} MiB", flush=True
                )
            each, _, peak = measured(read_one, paths[1])
            size = paths[1].stat().st_size
            print(f"{count} fields, {size:,} bytes: one read in {max(each):.3f} s, {peak:.0f} MiB")


if __name__ == "__main__":
    main()
