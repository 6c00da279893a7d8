"""The HTTP interface: endpoints, what they take, and their description as OpenAPI."""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Annotated, Any, Callable, Literal, Optional, Union

from anyio import to_thread
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from mscn_tf import __version__
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import MAX_SIDE
from mscn_tf.runtime.header import MAX_ITEMS
from mscn_tf.server import files, work
from mscn_tf.server.limits import Limits, Metrics
from mscn_tf.server.settings import Settings
from mscn_tf.server.workers import NOTE, Workers, response

# This module has no `from __future__ import annotations`: FastAPI reads the endpoints' annotations.

_PAGE = 1000  # stored files listed at a time


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
    """What a stored file holds; `size` has the innermost axis first: width, height."""

    id: str
    codec: str
    modality: str
    items: int
    name: Optional[str]
    size: list[int]
    channels: int
    quality: float
    original_zoom: Optional[int]
    last_zoom: Optional[int]


_POSITIVE = {"gt": 0, "allow_inf_nan": False}

Item = Annotated[int, Query(ge=0, lt=MAX_ITEMS, description="Which signal of an archive, from 0")]
Id = Annotated[str, Path(pattern=files.ID, description="A stored file, as /files lists them")]
Kind = Literal["png", "jpeg", "webp", "npy"]
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
Region = Annotated[
    Optional[str],
    Query(
        pattern=r"^[0-9]{1,9}(,[0-9]{1,9}){1,5}$",
        description="Part of the signal, X,Y,WIDTH,HEIGHT in its pixels",
        examples=["0,0,64,64"],
    ),
]
Format = Annotated[
    Optional[Kind], Query(description="Default png, of other signals than pictures npy")
]
Quality = Annotated[
    Optional[float], Query(ge=1, le=10, description="1 (smallest) to 10 (best); default 5")
]
BitsAPixel = Annotated[Optional[float], Query(**_POSITIVE, description="Bits a pixel at most")]
Bytes = Annotated[Optional[int], Query(gt=0, lt=2**40, description="Bytes at most")]
Psnr = Annotated[Optional[float], Query(**_POSITIVE, description="dB at least")]
Effort = Annotated[
    int, Query(ge=0, le=9, description="1 (fast) to 9 (small); of tile codecs also 0")
]
After = Annotated[str, Query(max_length=128, description="List those behind this id")]
Zoom = Annotated[int, Path(ge=0, le=64, description="Zoom; at 0 the picture is one tile")]
Column = Annotated[int, Path(ge=0, lt=2**40, description="Column")]
Row = Annotated[int, Path(ge=0, lt=2**40, description="Row")]

_Responses = dict[Union[int, str], dict[str, Any]]  # descriptions by status, as FastAPI takes them

_ERRORS = {
    404: "There is no such file, item or tile",
    408: "The body came too slowly",
    413: "The body, or what is to be decoded, is over the server's limits",
    422: "A parameter is wrong, or the body is damaged or of another codec",
    501: "The codec can only decode",
    503: "Too many requests at once; try again",
    504: "It took longer than the server's limit",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}
_VALUES: _Responses = {
    200: {"content": dict.fromkeys(sorted(set(work.MEDIA_TYPES.values())), _BINARY)}
}

_NOTES = {
    NOTE: {
        "description": "What was left out of the picture, or done otherwise; once for each",
        "schema": {"type": "string"},
    }
}


def _errors(*statuses: int) -> _Responses:
    """Descriptions of the answers that any work can get, and of some more."""
    return {
        status: {"model": Error, "description": text}
        for status, text in _ERRORS.items()
        if status in (408, 422, 503, 504, *statuses)
    }


def create_app(settings: Settings) -> FastAPI:
    """The application; its workers start with it.

    Raises:
      MscnError: a codec isn't there, or is damaged.
    """
    names = [Bundle.load(codec).name for codec in settings.codecs]
    metrics, workers = Metrics(), Workers(settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await workers.start()
        yield

    app = FastAPI(
        title="mscn",
        version=__version__,
        description="Decodes and encodes .mscn files.",
        lifespan=lifespan,
        redoc_url=None,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts, www_redirect=False)
    app.add_middleware(  # around the others
        Limits,
        metrics=metrics,
        max_requests=settings.max_requests,
        max_bodies=settings.max_requests * settings.max_body,
        timeout=settings.timeout,
    )
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(Exception)(_failed)
    app.include_router(_of_the_server(names, metrics))
    app.include_router(_of_bodies(names, workers, _reader(settings.max_body)))
    app.include_router(_of_stored_files(settings, workers))
    return app


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    wrong = (f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
    return response(work.failure(422, "; ".join(wrong)))


async def _failed(_request: Request, _error: Exception) -> Response:
    return response(work.failure(500, "internal error"))


def _reader(most: int) -> Callable[[Request], Awaitable[bytes]]:
    """Reads the bodies of requests, of so many bytes at most."""

    async def body(request: Request) -> bytes:
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
        if not received:
            raise HTTPException(422, "the body is empty")
        return bytes(received)

    return body


def _of_the_server(names: list[str], metrics: Metrics) -> APIRouter:
    """Whether it lives, and its figures."""
    router = APIRouter()

    @router.get("/health", summary="Whether the server is ready")
    async def health() -> Health:
        return Health(status="ok", version=__version__, codecs=names)

    @router.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _of_bodies(
    names: list[str], workers: Workers, body: Callable[[Request], Awaitable[bytes]]
) -> APIRouter:
    """Decoding and encoding of what requests bring."""
    router = APIRouter()

    @router.post(
        "/decode",
        summary="A .mscn file to a picture or an array",
        response_class=Response,
        responses={**_VALUES, **_errors(413)},
        openapi_extra=_BODY,
    )
    async def decode(
        data: Annotated[bytes, Depends(body)],
        item: Item = 0,
        scale: Scale = None,
        size: Size = None,
        region: Region = None,
        format: Format = None,
    ) -> Response:
        wanted = size and tuple(map(int, size.split("x")))
        part = region and tuple(map(int, region.split(",")))
        return await workers.answer(work.decode, data, item, scale, wanted, part, format)

    @router.post(
        "/encode",
        summary="A picture to a .mscn file",
        response_class=Response,
        responses={200: {"content": {work.MSCN: _BINARY}, "headers": _NOTES}, **_errors(413, 501)},
        openapi_extra=_BODY,
    )
    async def encode(
        data: Annotated[bytes, Depends(body)],
        codec: Annotated[
            Optional[str],
            Query(description="Default the first of pictures", json_schema_extra={"enum": names}),
        ] = None,
        quality: Quality = None,
        bpp: BitsAPixel = None,
        bytes: Bytes = None,
        psnr: Psnr = None,
        effort: Effort = 2,
    ) -> Response:
        goal = {"quality": quality, "bpp": bpp, "bytes": bytes, "psnr": psnr}
        given = {name: value for name, value in goal.items() if value is not None}
        return await workers.answer(work.encode, data, codec, given, effort)

    return router


def _of_stored_files(settings: Settings, workers: Workers) -> APIRouter:
    """Which there are, what each holds, and its tiles."""
    router = APIRouter()

    @router.get("/files", summary="The stored files", responses=_errors(404))
    async def list_files(after: After = "") -> StoredFiles:
        if settings.files is None:
            raise HTTPException(404, "this server has no folder of files")
        stored = await to_thread.run_sync(files.listed, settings.files, settings.follow_links)
        rest = [StoredFile(id=id, bytes=size) for id, size in stored if id > after]
        last = rest[_PAGE - 1].id if len(rest) > _PAGE else None
        return StoredFiles(files=rest[:_PAGE], next=last)

    @router.get(
        "/files/{id}",
        summary="What a stored file holds",
        response_model=Description,
        responses=_errors(404),
    )
    async def describe_file(id: Id, item: Item = 0) -> Response:
        return await workers.answer(work.describe, id, item)

    @router.get(
        "/tiles/{id}/{z}/{x}/{y}",
        summary="A tile of a stored picture: 256x256 pixels, less at the edges",
        response_class=Response,
        responses={**_VALUES, **_errors(404, 413)},
    )
    async def tile(
        id: Id,
        z: Zoom,
        x: Column,
        y: Row,
        item: Item = 0,
        format: Annotated[Kind, Query()] = "png",
    ) -> Response:
        return await workers.answer(work.tile, id, item, z, x, y, format)

    return router
