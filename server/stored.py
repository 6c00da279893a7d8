"""Stored files over HTTP: which there are, what each holds, signals, and tiles of pictures."""

from typing import Annotated, Optional

from fastapi import APIRouter, HTTPException, Query, Request, Response

from mscn_tf.runtime.modality import Modality
from mscn_tf.server import formats, parameters
from mscn_tf.server.parameters import STORED, StoredFile, StoredFiles, errors, numbers
from mscn_tf.server.rendering import Wanted
from mscn_tf.server.responses import raised
from mscn_tf.server.store import Store

_PAGE = 1000  # stored files listed at a time


def router(store: Store) -> APIRouter:
    """The endpoints."""
    endpoints = APIRouter()

    @endpoints.get("/files", summary="The stored files", responses=errors(404))
    async def list_files(after: parameters.After = "") -> StoredFiles:
        stored = await store.listed()
        rest = [StoredFile(id=id, bytes=size) for id, size in stored if id > after]
        last = rest[_PAGE - 1].id if len(rest) > _PAGE else None
        return StoredFiles(files=rest[:_PAGE], next=last)

    @endpoints.get(
        "/files/{id}",
        summary="What a stored file holds",
        response_model=parameters.Description,
        responses={**STORED, **errors(404)},
    )
    async def describe_file(
        request: Request, id: parameters.Id, item: parameters.Item = 0
    ) -> Response:
        return await store.described(request, store.place(id), item)

    @endpoints.get(
        "/signals/{id}",
        summary="A signal of a stored file, or a part or a thumbnail of it",
        response_class=Response,
        responses={**parameters.VALUES, **STORED, **errors(404, 406, 413, 501)},
    )
    async def signal(
        request: Request,
        id: parameters.Id,
        item: parameters.Item = 0,
        scale: parameters.Scale = None,
        size: parameters.Size = None,
        fit: parameters.Fit = None,
        region: parameters.Region = None,
        format: parameters.Format = None,
    ) -> Response:
        file = store.place(id)
        said = await store.description(request, file, item)
        with raised():
            offered = formats.kinds(Modality.named(said["modality"]))
            kind = format or formats.accepted(request.headers.get("accept", ""), offered)
        part, sides = numbers(region, ","), numbers(size, "x")
        if fit is not None:
            if scale is not None or sides is not None:
                raise HTTPException(422, "give one of fit, scale and size")
            sides = _fitting(part[len(part) // 2 :] if part else said["size"], fit)
        wanted = Wanted(item, scale, sides, part, kind, overview=fit is not None)
        made = await store.signal(request, file, wanted)
        made.headers["Vary"] = "Accept"
        return made

    @endpoints.get(
        "/tiles/{id}/{z}/{x}/{y}.{ending}",
        summary="A tile of a stored picture, as maps name them",
        response_class=Response,
        responses={**parameters.VALUES, **STORED, **errors(404, 413)},
    )
    async def named_tile(
        request: Request,
        id: parameters.Id,
        z: parameters.Zoom,
        x: parameters.Column,
        y: parameters.Row,
        ending: parameters.Ending,
        item: parameters.Item = 0,
    ) -> Response:
        kind = "jpeg" if ending == "jpg" else ending
        return await store.tile(request, store.place(id), item, (z, x, y), kind, True)

    @endpoints.get(
        "/tiles/{id}/{z}/{x}/{y}",
        summary="A tile of a stored picture: 256x256 pixels, transparent where it has none",
        response_class=Response,
        responses={**parameters.VALUES, **STORED, **errors(404, 406, 413)},
    )
    async def tile(
        request: Request,
        id: parameters.Id,
        z: parameters.Zoom,
        x: parameters.Column,
        y: parameters.Row,
        item: parameters.Item = 0,
        format: Annotated[Optional[parameters.TileKind], Query()] = None,
    ) -> Response:
        with raised():
            accept = request.headers.get("accept", "")
            kind = format or formats.accepted(accept, formats.PICTURES)
        made = await store.tile(request, store.place(id), item, (z, x, y), kind, kind != "npy")
        made.headers["Vary"] = "Accept"
        return made

    return endpoints


def _fitting(sides: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Sides of the same shape, none of them above that, nor larger than they are."""
    factor = min(most / max(sides), 1)
    return tuple(max(round(side * factor), 1) for side in sides)
