"""What endpoints take and answer, and how their description as OpenAPI says so."""

from typing import Annotated, Any, Literal, Optional, Union

from fastapi import HTTPException, Path, Query, Request
from pydantic import BaseModel

from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.errors import printable
from mscn_tf.runtime.header import MAX_ITEMS
from mscn_tf.server import files, formats

# No `from __future__ import annotations` where endpoints are: FastAPI reads their annotations.


class Error(BaseModel):
    """Why a request was not met."""

    detail: str


class Health(BaseModel):
    """That the server lives, and what it has."""

    status: Literal["ok"]
    version: str
    codecs: list[str]


class StoredFile(BaseModel):
    """A file that tiles can be asked of."""

    id: str
    bytes: int


class StoredFiles(BaseModel):
    """Some of the stored files; `next` is the `after` of the rest, or null."""

    files: list[StoredFile]
    next: Optional[str]


class Description(BaseModel):
    """What a stored file holds; sizes have the innermost axis first: width, height.

    `block` is the side of what is decoded alone, `largest` the size in which all of it can be had.
    """

    id: str
    codec: str
    modality: str
    items: int
    name: Optional[str]
    size: list[int]
    channels: int
    quality: float
    block: int
    largest: Optional[list[int]]
    original_zoom: Optional[int]
    last_zoom: Optional[int]


_POSITIVE = {"gt": 0, "allow_inf_nan": False}

Item = Annotated[int, Query(ge=0, lt=MAX_ITEMS, description="Which signal of an archive, from 0")]
Id = Annotated[str, Path(pattern=files.ID, description="A stored file, as /files lists them")]
Scale = Annotated[
    Optional[float],
    Query(**_POSITIVE, le=MAX_SIDE, description="Output size as a multiple of the region's"),
]
Size = Annotated[
    Optional[str],
    Query(
        pattern=r"^[0-9]{1,9}(x[0-9]{1,9}){0,2}$",
        description="Output size, WIDTHxHEIGHT; not with scale",
        examples=["640x480"],
    ),
]
Fit = Annotated[
    Optional[int],
    Query(ge=1, le=MAX_SIDE, description="Longest side at most, of a thumbnail; not with a size"),
]
Region = Annotated[
    Optional[str],
    Query(
        pattern=r"^[0-9]{1,9}(,[0-9]{1,9}){1,5}$",
        description="Part of the signal, X,Y,WIDTH,HEIGHT in its pixels",
        examples=["0,0,64,64"],
    ),
]
Kind = Literal["png", "jpeg", "webp", "npy", "nc", "wav", "nii"]
Format = Annotated[
    Optional[Kind],
    Query(description="Default what is accepted; png, of other signals than pictures npy"),
]
TileKind = Literal["png", "jpeg", "webp", "npy"]
Ending = Annotated[Literal["png", "jpg", "jpeg", "webp"], Path(description="Format")]
Quality = Annotated[
    Optional[float], Query(ge=1, le=10, description="1 (smallest) to 10 (best); default 5")
]
BitsAPixel = Annotated[Optional[float], Query(**_POSITIVE, description="Bits a pixel at most")]
Bytes = Annotated[Optional[int], Query(gt=0, lt=2**40, description="Bytes at most")]
Psnr = Annotated[Optional[float], Query(**_POSITIVE, description="dB at least")]
Effort = Annotated[
    Optional[int], Query(ge=0, le=9, description="1 (fast) to 9 (small); of tile codecs also 0")
]
After = Annotated[str, Query(max_length=128, description="List those behind this id")]
Zoom = Annotated[int, Path(ge=0, le=64, description="Zoom; at 0 the picture is one tile")]
Column = Annotated[int, Path(ge=0, lt=2**40, description="Column")]
Row = Annotated[int, Path(ge=0, lt=2**40, description="Row")]

Responses = dict[Union[int, str], dict[str, Any]]  # descriptions by status, as FastAPI takes them

_ERRORS = {
    400: "There is no such parameter, or IIIF knows none such",
    404: "There is no such file, item or tile",
    406: "What is accepted isn't there",
    408: "The body came too slowly",
    413: "The body, or what is to be decoded, is over the server's limits",
    415: "The form isn't one file",
    422: "A parameter is wrong, or the body is damaged or of another codec",
    501: "The codec can only decode, or the server lacks a library",
    503: "Too many requests at once; try again",
    504: "It took longer than the server's limit",
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
VALUES: Responses = {
    200: {"content": dict.fromkeys(sorted(set(formats.MEDIA_TYPES.values())), BINARY)}
}
STORED: Responses = {304: {"description": "It is as the client has it"}}


def errors(*statuses: int) -> Responses:
    """Descriptions of the answers that any work can get, and of some more."""
    return {
        status: {"model": Error, "description": text}
        for status, text in _ERRORS.items()
        if status in (400, 408, 422, 503, 504, *statuses)
    }


def numbers(text: Optional[str], separator: str) -> Optional[tuple[int, ...]]:
    """Those of a size or a region, or None."""
    return None if text is None else tuple(map(int, text.split(separator)))


async def check_known(request: Request) -> None:
    """Refuses what an endpoint does not take: a misspelt limit would be none.

    Raises:
      HTTPException: 400, a parameter is unknown.
    """
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in known:
            there_is = f"there is {', '.join(known)}" if known else "there is none here"
            raise HTTPException(400, f"{printable(name)}: no such parameter; {there_is}")


def client_of(request: Request) -> str:
    """Who asks: its address."""
    return request.client.host if request.client else ""
