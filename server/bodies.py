"""Decoding and encoding of what requests bring."""

from collections.abc import Awaitable
from typing import Annotated, Callable, Optional

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from starlette.requests import ClientDisconnect

from mscn_tf.server import parameters, work
from mscn_tf.server.answers import MSCN
from mscn_tf.server.forms import FORM, Body, boundary_of
from mscn_tf.server.parameters import BINARY, client_of, errors, numbers
from mscn_tf.server.rendering import Wanted
from mscn_tf.server.responses import NOTE, response
from mscn_tf.server.workers import Workers

_FILE = {"type": "object", "required": ["file"], "properties": {"file": BINARY["schema"]}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": BINARY, FORM: {"schema": _FILE}},
    }
}
_NOTES = {
    NOTE: {
        "description": "What was left out of the picture, or done otherwise; once for each",
        "schema": {"type": "string"},
    }
}

Read = Callable[[Request], Awaitable[Body]]


def router(names: list[str], workers: Workers, most: int) -> APIRouter:
    """The endpoints.

    Args:
      names: of the codecs.
      workers: that decode and encode.
      most: bytes of a body.
    """
    endpoints, body = APIRouter(), _reader(most)

    @endpoints.post(
        "/decode",
        summary="A .mscn file to a picture or an array",
        response_class=Response,
        responses={**parameters.VALUES, **errors(406, 413, 415, 501)},
        openapi_extra=_BODY,
    )
    async def decode(
        request: Request,
        data: Annotated[Body, Depends(body)],
        item: parameters.Item = 0,
        scale: parameters.Scale = None,
        size: parameters.Size = None,
        region: parameters.Region = None,
        format: parameters.Format = None,
    ) -> Response:
        wanted = Wanted(item, scale, numbers(size, "x"), numbers(region, ","))
        accept = request.headers.get("accept", "")
        made = await workers.do(client_of(request), work.decode, data, wanted, format, accept)
        return response(made)

    @endpoints.post(
        "/encode",
        summary="A picture to a .mscn file",
        response_class=Response,
        responses={
            200: {"content": {MSCN: BINARY}, "headers": _NOTES},
            **errors(413, 415, 501),
        },
        openapi_extra=_BODY,
    )
    async def encode(
        request: Request,
        data: Annotated[Body, Depends(body)],
        codec: Annotated[
            Optional[str],
            Query(description="Default the first of pictures", json_schema_extra={"enum": names}),
        ] = None,
        quality: parameters.Quality = None,
        bpp: parameters.BitsAPixel = None,
        bytes: parameters.Bytes = None,
        psnr: parameters.Psnr = None,
        effort: parameters.Effort = None,
    ) -> Response:
        goal = {"quality": quality, "bpp": bpp, "bytes": bytes, "psnr": psnr}
        given = {name: value for name, value in goal.items() if value is not None}
        made = await workers.do(client_of(request), work.encode, data, codec, given, effort)
        return response(made)

    return endpoints


def _reader(most: int) -> Read:
    """Reads the bodies of requests, or the file in a form, of so many bytes at most."""

    async def body(request: Request) -> Body:
        too_large = HTTPException(413, f"the body is over the limit of {most} bytes")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise too_large
        received = bytearray()
        try:
            async for piece in request.stream():
                received += piece
                if len(received) > most:
                    raise too_large
        except ClientDisconnect as error:  # nobody reads this
            raise HTTPException(400, "the client has left") from error
        return Body(bytes(received), boundary_of(request.headers.get("content-type")))

    return body
