"""The IIIF Image API over HTTP: `iiif` says what its parameters mean."""

import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import RedirectResponse

from mscn_tf.server import iiif, parameters
from mscn_tf.server.files import Place
from mscn_tf.server.iiif import Sides
from mscn_tf.server.parameters import STORED, errors
from mscn_tf.server.responses import raised
from mscn_tf.server.store import Store

_LD = f'application/ld+json;profile="{iiif.CONTEXT}"'

Picture = Annotated[str, Path(description="A stored file, and after a colon which signal of it")]
Text = Annotated[str, Path(max_length=100)]


def router(store: Store, most: int) -> APIRouter:
    """The endpoints.

    Args:
      store: of the pictures.
      most: pixels of an answer.
    """
    endpoints = APIRouter(prefix="/iiif")

    async def found(request: Request, picture: str) -> tuple[Place, int, dict[str, Any], Sides]:
        """File, item, description and sides of a picture."""
        id, colon, item = picture.partition(":")
        file = store.place(id)
        if colon and not re.fullmatch("[0-9]{1,7}", item):
            raise HTTPException(404, f"{file.name}: no item {item}; they are numbered from 0")
        number = int(item or 0)
        said = await store.description(request, file, number)
        if said["original_zoom"] is None or said["largest"] is None:
            raise HTTPException(422, f"{file.name}: no picture, or too large a one for this server")
        width, height = said["size"]
        largest = (said["largest"][0], said["largest"][1])
        return file, number, said, Sides((height, width), largest, most)

    @endpoints.get(
        "/{picture}",
        summary="Leads to a picture's description",
        status_code=303,
        response_class=RedirectResponse,
        responses=errors(404),
    )
    async def base(request: Request, picture: Picture) -> str:
        await found(request, picture)
        return f"{_uri(request, picture)}/info.json"

    @endpoints.get(
        "/{picture}/info.json",
        summary="A picture's description",
        responses={**STORED, **errors(404)},
    )
    async def info(request: Request, picture: Picture) -> Response:
        file, _, said, sides = await found(request, picture)
        description = iiif.info(_uri(request, picture), sides, said["channels"] in (2, 4))
        linked = "application/ld+json" in request.headers.get("accept", "")

        async def make() -> Response:
            return Response(
                json.dumps(description),
                media_type=_LD if linked else "application/json",
                headers={"Vary": "Accept"},
            )

        return await store.fresh(request, file, "ld" if linked else "json", make)

    @endpoints.get(
        "/{picture}/{region}/{size}/{rotation}/{quality}.{format}",
        summary="A picture, or a part of it",
        response_class=Response,
        responses={**parameters.VALUES, **STORED, **errors(404, 413)},
    )
    async def image(
        request: Request,
        picture: Picture,
        region: Text,
        size: Text,
        rotation: Text,
        quality: Text,
        format: Text,
    ) -> Response:
        file, item, said, sides = await found(request, picture)
        with raised():
            wanted = iiif.wanted(item, region, size, rotation, quality, format, sides)
        tile = iiif.tile(wanted, sides, said["channels"])
        if tile is None:
            made = await store.signal(request, file, wanted)
        else:
            made = await store.tile(request, file, item, tile, wanted.kind, False)
        canonical = f"{_uri(request, picture)}/{iiif.canonical(wanted, format, sides)}"
        made.headers["Link"] = f'<{iiif.PROFILE}>;rel="profile",<{canonical}>;rel="canonical"'
        return made

    return endpoints


def _uri(request: Request, picture: str) -> str:
    return f"{str(request.base_url).rstrip('/')}/iiif/{picture}"
