"""What metadata say of the order of fields."""

from __future__ import annotations

from mscn_tf.runtime.grids import outer_strides

STRUCTURE = {
    "dims": [["t", 4, True], ["z", 3, False], ["m", 1, False], ["j", 9, False], ["i", 8, False]],
    "variables": [
        {"name": "latitude", "dims": ["j"]},
        {"name": "longitude", "dims": ["i"]},
        {"name": "deep", "dims": ["t", "m", "z", "j", "i"]},
        {"name": "flat", "dims": ["j", "t", "i"]},
    ],
}
FIELDS = [{"name": "deep", "count": 12}, {"name": "flat", "count": 4}]


def test_time_steps_lie_as_far_apart_as_levels_between_them_take():
    told = {"axes": ["latitude", "longitude"], "fields": FIELDS, "netcdf": STRUCTURE}
    assert outer_strides(told, 16) == [3] * 12 + [1] * 4


def test_several_grids_have_dimensions_or_axes():
    fields = [FIELDS[0], {**FIELDS[1], "grid": 1}]
    grids = [{"axes": ["latitude", "longitude"]}, {"dims": ["j", "i"]}]
    told = {"grids": grids, "fields": fields, "netcdf": STRUCTURE}
    assert outer_strides(told, 16) == [3] * 12 + [1] * 4


def test_where_nothing_is_said_fields_lie_side_by_side():
    assert outer_strides({}, 3) == [1] * 3
    assert outer_strides({"fields": FIELDS, "netcdf": None}, 17) == [1] * 17
