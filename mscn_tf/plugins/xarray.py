"""The engine `mscn` of xarray, which opens fields lazily: entry point `xarray.backends`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any, Union

import numpy as np
import xarray as xr
from xarray.backends import AbstractDataStore, BackendArray, BackendEntrypoint
from xarray.backends.store import StoreBackendEntrypoint
from xarray.core import indexing

from mscn_tf.runtime import exact_planes
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.file_decoder import FileDecoder
from mscn_tf.runtime.files import PathLike, read_bytes
from mscn_tf.runtime.modality import Modality
from mscn_tf.signals import field_files, modalities, netcdf
from mscn_tf.signals.field_items import Items
from mscn_tf.signals.latlon import NAMES
from mscn_tf.signals.signal import Selection

Key = Union[int, slice, np.ndarray]


class _FieldFile:
    """A `.mscn` file of fields; where it is sent to another process it is opened anew.

    Args:
      path: of the file.
      codec: name or path of its codec's bundle; None looks among those that come with the package.

    Raises:
      MscnError: it is of another modality, or damaged.
    """

    def __init__(self, path: PathLike, codec: PathLike | None):
        self._path, self._codec = os.fspath(path), codec
        self.container = Container.from_bytes(read_bytes(path), self._path, lazy=True)
        modality = Modality.numbered(self.container.modality)
        if modality.name != "field":
            raise MscnError(f"{path}: holds {modality.nouns}, not fields; see `mscn decode`")
        modalities.check_metadata(self.container)
        self._decoder = FileDecoder.of(self.container, codec)

    def __reduce__(self) -> tuple[type, tuple[PathLike, PathLike | None]]:
        return _FieldFile, (self._path, self._codec)

    @cached_property
    def told(self) -> Mapping[str, Any]:
        """The metadata, as files are written now."""
        return field_files.as_now(self.container.metadata or {})

    @cached_property
    def structure(self) -> tuple[field_files.Structure, Mapping[str, np.ndarray]]:
        """That of the NetCDF file, and values of the variables that it doesn't have itself."""
        names, told = self.container.names, self.told
        if "netcdf" in told:
            structure, values, _ = field_files.whole((), names, told, Selection())
            return structure, values
        shape = (self.container.items, *self.container.shapes[0])
        return field_files.bare(shape, names, told, None, self._dtype)

    @cached_property
    def _dtype(self) -> np.dtype:
        """Of fields of which nothing else is known."""
        return np.dtype(exact_planes.wide_type(self.container) or np.float32)

    @cached_property
    def _items(self) -> Items:
        return Items(self.told)

    @cached_property
    def fields(self) -> Mapping[str, tuple[range, Sequence[str]]]:
        """Of each variable its items of the file, and the dimensions of their rows and columns."""
        if "netcdf" not in self.told:
            return {"field": (range(self.container.items), NAMES)}
        fields, first = {}, 0
        for coding in self._items.codings:
            grid = self._items.grids[coding.grid]
            spatial = field_files.spatial_dims(grid, self.told["netcdf"])
            fields[coding.name] = range(first, first + coding.count), spatial
            first += coding.count
        return fields

    def stored(self, items: Sequence[int]) -> Iterator[np.ndarray]:
        """Fields as the NetCDF file stores them, sides in the order of the variable's."""
        for item, field in zip(items, self._decoder.decode_all(self.container, items=items)):
            if "netcdf" not in self.told:
                yield field_files.typed(field[..., 0], self._dtype)
            else:
                yield field_files.placed(field[..., 0], item, self._items, self.told["netcdf"])[2]


class _Fields(BackendArray):
    """A variable's fields, each of which is decoded when something of it is asked for.

    Args:
      file: that holds them.
      items: of the file.
      sizes: by dimensions, in the variable's order.
      spatial: the dimensions of rows and columns, in any order.
      dtype: as stored.
    """

    def __init__(
        self,
        file: _FieldFile,
        items: range,
        sizes: Mapping[str, int],
        spatial: Sequence[str],
        dtype: np.dtype,
    ):
        others = [dim for dim in sizes if dim not in spatial]
        self._file, self.dtype, self.shape = file, dtype, tuple(sizes.values())
        self._order = sorted(range(len(sizes)), key=[dim in spatial for dim in sizes].__getitem__)
        self._items = np.array(items).reshape([sizes[dim] for dim in others])

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        outer = indexing.IndexingSupport.OUTER
        return np.asarray(
            indexing.explicit_indexing_adapter(key, self.shape, outer, self._selected)
        )

    def _selected(self, key: tuple[Key, ...]) -> np.ndarray:
        ordered = [key[axis] for axis in self._order]
        items, at = _outer(self._items, ordered[:-2]), ordered[-2:]
        sides = [np.arange(self.shape[axis]) for axis in self._order[-2:]]
        part = tuple(np.shape(side[one]) for side, one in zip(sides, at))
        found = np.empty((items.size, *part[0], *part[1]), self.dtype)
        for place, field in enumerate(self._file.stored(items.ravel().tolist())):
            found[place] = _outer(field, at)
        kept = [axis for axis, one in zip(self._order, ordered) if not isinstance(one, Integral)]
        return found.reshape(items.shape + found.shape[1:]).transpose(np.argsort(kept))


def _outer(array: np.ndarray, key: Sequence[Key]) -> np.ndarray:
    """What a key selects along each axis by itself."""
    for axis in reversed(range(len(key))):
        array = array[(slice(None),) * axis + (key[axis],)]
    return array


class _FieldStore(AbstractDataStore):
    """What a NetCDF file of a `.mscn` file's fields would hold."""

    def __init__(self, file: _FieldFile):
        self._file = file

    def get_attrs(self) -> dict[str, Any]:
        """Attributes of the file."""
        return _attributes(self._file.structure[0]["attrs"])

    def get_encoding(self) -> dict[str, Any]:
        """Which of its dimensions are unlimited."""
        dims = self._file.structure[0]["dims"]
        return {"unlimited_dims": {name for name, _, unlimited in dims if unlimited}}

    def get_variables(self) -> dict[str, xr.Variable]:
        """All of its variables, those of fields not yet decoded."""
        structure, values = self._file.structure
        sizes = {name: size for name, size, _ in structure["dims"]}
        return {
            one["name"]: self._variable(one, {dim: sizes[dim] for dim in one["dims"]}, values)
            for one in structure["variables"]
        }

    def _variable(
        self,
        told: Mapping[str, Any],
        sizes: Mapping[str, int],
        values: Mapping[str, np.ndarray],
    ) -> xr.Variable:
        name, text = told["name"], told["dtype"] == "str"
        dtype = np.dtype("O" if text else told["dtype"])
        data: Any
        if name in self._file.fields:
            items, spatial = self._file.fields[name]
            fields = _Fields(self._file, items, sizes, spatial, dtype)
            data = indexing.LazilyIndexedArray(fields)
        elif "data" in told:
            data = netcdf.from_json(told["data"])
        else:
            data = values[name].astype(dtype)
        encoding = {"dtype": str if text else dtype, **told.get("storage", {})}
        if encoding.pop("compression", None):
            encoding["zlib"] = True
        return xr.Variable(tuple(sizes), data, _attributes(told["attrs"]), encoding)


def _attributes(told: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as netCDF4 gives them: what there is one of isn't in an array."""
    found = {}
    for name, value in told.items():
        if isinstance(value, Mapping):
            values = netcdf.from_json(value).reshape(-1)
            if values.size:
                found[name] = values[0] if values.size == 1 else values
        else:
            found[name] = value
    return found


class MscnBackend(BackendEntrypoint):
    """Opens `.mscn` files of fields."""

    description = "Open .mscn files of fields lazily"

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether it is the path of such a file, by its ending."""
        path = isinstance(filename_or_obj, (str, os.PathLike))
        return path and os.fspath(filename_or_obj).lower().endswith(".mscn")

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: Any = True,
        decode_times: Any = True,
        concat_characters: Any = True,
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: Any = None,
        decode_timedelta: Any = None,
        codec: PathLike | None = None,
    ) -> xr.Dataset:
        """The dataset that `mscn decode` would write as NetCDF; see `xarray.open_dataset`.

        Args:
          filename_or_obj: path of a `.mscn` file.
          codec: name or path of its codec's bundle, of one that doesn't come with the package.

        Raises:
          MscnError: it can't be read, holds no fields, is damaged, or its codec isn't there.
        """
        return StoreBackendEntrypoint().open_dataset(
            _FieldStore(_FieldFile(filename_or_obj, codec)),
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )
