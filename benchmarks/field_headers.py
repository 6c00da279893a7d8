"""What lone fields of NetCDF files carry besides their values: bytes of header and metadata.

    python benchmarks/field_headers.py [--size=WxH] [--attributes] FILE.nc ...

Of each variable on a grid, the first field, as a user cuts it out with xarray:
``ds[[name]].isel(time=0)``, without the attributes of the whole file unless they are asked for.
`--size` cuts a corner of so many columns and rows, and leaves out what is smaller.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Optional

import numpy as np
import xarray as xr

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.signals import fields


def lone_fields(
    path: Path, size: Optional[list[int]], attributes: bool
) -> Iterator[tuple[str, xr.Dataset]]:
    """A data set of each variable of two dimensions or more, of its first field alone."""
    with xr.open_dataset(path, decode_cf=False) as dataset:
        for name, variable in dataset.data_vars.items():
            if variable.ndim < 2 or variable.dtype.kind not in "fiu":
                continue
            *others, rows, columns = variable.dims
            one = dataset[[name]].isel(dict.fromkeys(others, 0))
            if size:
                one = one.isel({rows: slice(size[1]), columns: slice(size[0])})
                if [one.sizes[columns], one.sizes[rows]] != size:
                    continue
            one.encoding.clear()
            yield str(name), one if attributes else one.drop_attrs(deep=False)


def carried(path: Path) -> int:
    """Bytes of header and metadata of the `.mscn` file of a field."""
    signals = fields.read(path)
    data = Codec.load("field").encode(
        [np.asarray(array) for array in signals.arrays],
        quality=5,
        metadata=signals.metadata,
    )
    sizes = Container.from_bytes(data).sizes()
    return sizes["header"] + sizes["side"]


def main(paths: list[Path], size: Optional[list[int]], attributes: bool) -> None:
    """Prints a line for each field."""
    with TemporaryDirectory() as folder:
        target = Path(folder) / "field.nc"
        for path in paths:
            for name, one in lone_fields(path, size, attributes):
                try:
                    one.to_netcdf(target)
                    print(f"{path.name:36} {name:24} {carried(target):6} bytes", flush=True)
                except MscnError:  # no field: bounds, tables and the like
                    continue


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE.nc")
    parser.add_argument("--size", type=lambda text: [int(one) for one in text.split("x")])
    parser.add_argument("--attributes", action="store_true")
    given = parser.parse_args()
    main(given.paths, given.size, given.attributes)
