"""NetCDF files there and back: bounds, masks, coordinates, attributes and types of each.

    python benchmarks/netcdf_files.py [--relative-error=0.001] FILE.nc ...

Prints a line for each file; exits with 1 where something did not come back as it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import netCDF4
import numpy as np

from mscn_tf.codec import Codec, checked
from mscn_tf.runtime.container import Container
from mscn_tf.signals import fields, modalities
from mscn_tf.signals.signal import Selection


def there_and_back(path: Path, target: Path, relative: float) -> tuple[bytes, list[str]]:
    """A file's `.mscn` form, decoded to another file; and what was said of it."""
    codec, signals = Codec.load("field"), fields.read(path)
    wanted = checked.Wanted(relative=relative).of(codec, signals)
    data = checked.encode(codec, signals, wanted).data
    container = Container.from_bytes(data)
    modalities.check_metadata(container)
    decoded = codec.decode_all(container)
    selection = Selection(container.shapes)
    fields.write(target, decoded, container.names, container.metadata, selection)
    return data, list(signals.notes)


def differences(before: netCDF4.Dataset, after: netCDF4.Dataset, relative: float) -> Iterator[str]:
    """What did not come back as it was, but for errors that the bound allows."""
    if _attributes(before) != _attributes(after):
        yield "attributes of the file"
    for name, known in before.variables.items():
        found = after.variables.get(name)
        if found is None:
            yield f"{name} is missing"
            continue
        if (known.dimensions, known.dtype) != (found.dimensions, found.dtype):
            yield f"{name}: dimensions or type"
        if _attributes(known) != _attributes(found):
            yield f"{name}: attributes"
        values, back = (np.ma.asarray(one[...]) for one in (known, found))
        if not np.array_equal(np.ma.getmaskarray(values), np.ma.getmaskarray(back)):
            yield f"{name}: mask"
        elif values.dtype.kind in "fiu" and values.count():
            numbers = values.compressed().astype(np.float64)
            error = np.abs(back.compressed().astype(np.float64) - numbers).max()
            if not error <= relative * np.ptp(numbers):
                yield f"{name}: off by {error:g} of {np.ptp(numbers):g}"
        elif not np.array_equal(values, back):
            yield f"{name}: values"


def _attributes(owner: netCDF4.Dataset | netCDF4.Variable) -> str:
    return repr(
        [(name, np.asarray(owner.getncattr(name)).tolist()) for name in sorted(owner.ncattrs())]
    )


def main() -> int:
    """Tries each file; how many did not come back."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--relative-error", type=float, default=1e-3)
    options = parser.parse_args()
    failed = 0
    for path in options.files:
        begun = time.perf_counter()
        with TemporaryDirectory() as folder:
            target = Path(folder) / "back.nc"
            data, notes = there_and_back(path, target, options.relative_error)
            with netCDF4.Dataset(path) as before, netCDF4.Dataset(target) as after:
                found = list(differences(before, after, options.relative_error))
        container = Container.from_bytes(data)
        side = len(data) - sum(map(len, (*container.blocks, *container.exact_blocks)))
        print(
            f"{path.name}: {container.items} fields, {len(data):,} bytes, {side:,} beside fields, "
            f"{time.perf_counter() - begun:.1f} s; {'; '.join(found) or 'as it was'}",
            *notes,
            sep="\n  ",
            flush=True,
        )
        failed += bool(found)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
