"""Where others' libraries take part: Zarr, numcodecs and xarray find these by entry points."""
