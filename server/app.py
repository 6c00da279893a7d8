"""The HTTP interface: endpoints, what they take, and their description as OpenAPI."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Callable, Literal, Optional

import anyio
from anyio import BrokenWorkerProcess, to_process, to_thread
from fastapi import Depends, FastAPI, HTTPException, Path, Query, Request, Response
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

# This module has no `from __future__ import annotations`: FastAPI reads the endpoints' annotations.

_NOTE = "mscn-note"  # the header with what was left out or done otherwise, once for each
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


Item = Annotated[int, Query(ge=0, lt=MAX_ITEMS, description="Which signal of an archive, from 0")]
Id = Annotated[str, Path(pattern=files.ID, description="A stored file, as /files lists them")]
Kind = Literal["png", "jpeg", "webp", "npy"]
_POSITIVE = {"gt": 0, "allow_inf_nan": False}

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
_NOTES = {
    _NOTE: {
        "description": "What was left out of the picture, or done otherwise; once for each",
        "schema": {"type": "string"},
    }
}
_VALUES = {200: {"content": dict.fromkeys(sorted(set(work.MEDIA_TYPES.values())), _BINARY)}}


def _errors(*statuses: int) -> dict[int, dict[str, Any]]:
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
    metrics = Metrics()
    waiting, limiter = anyio.Semaphore(settings.workers), anyio.CapacityLimiter(settings.workers)

    async def run(job: Callable[..., Any], *arguments: Any) -> Any:
        deadline = anyio.current_effective_deadline()
        with anyio.fail_after((deadline - anyio.current_time()) / 2):  # what begins has time left
            await waiting.acquire()  # who leaves here, leaves nothing to do
        try:
            # Killing a worker costs others the start of a new one. So work whose client has left
            # goes on to its end, or to the end of its time.
            with anyio.CancelScope(deadline=deadline, shield=True):
                return await to_process.run_sync(
                    job, settings, *arguments, cancellable=True, limiter=limiter
                )
            with anyio.CancelScope(shield=True):  # those who wait find a new worker that is ready
                await to_process.run_sync(work.warm, settings, limiter=limiter)
            return await anyio.sleep_forever()  # the time of what waits for this is over, too
        finally:
            waiting.release()

    async def answer(job: Callable[..., work.Answer], *arguments: Any) -> Response:
        try:
            found = await run(job, *arguments)
        except TimeoutError as error:
            detail = "too many requests at once; try again"
            raise HTTPException(503, detail, {"Retry-After": "1"}) from error
        except BrokenWorkerProcess:
            found = work.failure(503, "the worker died over it; ask for less")
        response = Response(found.content, found.status, media_type=found.media_type)
        for note in found.notes:
            response.headers.append(_NOTE, note.encode("ascii", "backslashreplace").decode())
        return response

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as starting:
            for _ in range(settings.workers):
                starting.start_soon(run, work.warm)
        yield

    async def body(request: Request) -> bytes:
        too_large = HTTPException(413, f"the body is over the limit of {settings.max_body} bytes")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > settings.max_body:
            raise too_large
        received = bytearray()
        try:
            async for piece in request.stream():
                received += piece
                if len(received) > settings.max_body:
                    raise too_large
        except ClientDisconnect as error:  # nobody reads this
            raise HTTPException(400, "the client has left") from error
        if not received:
            raise HTTPException(422, "the body is empty")
        return bytes(received)

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

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        wrong = (f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
        found = work.failure(422, "; ".join(wrong))
        return Response(found.content, found.status, media_type=found.media_type)

    @app.exception_handler(Exception)
    async def failed(_request: Request, _error: Exception) -> Response:
        found = work.failure(500, "internal error")
        return Response(found.content, found.status, media_type=found.media_type)

    @app.get("/health", summary="Whether the server is ready")
    async def health() -> Health:
        return Health(status="ok", version=__version__, codecs=names)

    @app.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.post(
        "/decode",
        summary="A .mscn file to a picture or an array",
        response_class=Response,
        responses={**_VALUES, **_errors(413)},
        openapi_extra=_BODY,
    )
    async def decode(
        data: Annotated[bytes, Depends(body)],
        item: Item = 0,
        scale: Annotated[
            Optional[float],
            Query(
                **_POSITIVE, le=MAX_SIDE, description="Output size as a multiple of the region's"
            ),
        ] = None,
        size: Annotated[
            Optional[str],
            Query(
                pattern=r"^[0-9]{1,9}(x[0-9]{1,9}){0,2}$",
                description="Output size, WIDTHxHEIGHT; not with scale",
                examples=["640x480"],
            ),
        ] = None,
        region: Annotated[
            Optional[str],
            Query(
                pattern=r"^[0-9]{1,9}(,[0-9]{1,9}){1,5}$",
                description="Part of the signal, X,Y,WIDTH,HEIGHT in its pixels",
                examples=["0,0,64,64"],
            ),
        ] = None,
        format: Annotated[
            Optional[Kind], Query(description="Default png, of other signals than pictures npy")
        ] = None,
    ) -> Response:
        wanted = size and tuple(map(int, size.split("x")))
        part = region and tuple(map(int, region.split(",")))
        return await answer(work.decode, data, item, scale, wanted, part, format)

    @app.post(
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
        quality: Annotated[
            Optional[float], Query(ge=1, le=10, description="1 (smallest) to 10 (best); default 5")
        ] = None,
        bpp: Annotated[
            Optional[float], Query(**_POSITIVE, description="Bits a pixel at most")
        ] = None,
        bytes: Annotated[Optional[int], Query(gt=0, lt=2**40, description="Bytes at most")] = None,
        psnr: Annotated[Optional[float], Query(**_POSITIVE, description="dB at least")] = None,
        effort: Annotated[
            int, Query(ge=0, le=9, description="1 (fast) to 9 (small); of tile codecs also 0")
        ] = 2,
    ) -> Response:
        goal = {"quality": quality, "bpp": bpp, "bytes": bytes, "psnr": psnr}
        given = {name: value for name, value in goal.items() if value is not None}
        return await answer(work.encode, data, codec, given, effort)

    @app.get(
        "/files",
        summary="The stored files",
        responses=_errors(404),
    )
    async def list_files(
        after: Annotated[str, Query(max_length=128, description="List those behind this id")] = "",
    ) -> StoredFiles:
        if settings.files is None:
            raise HTTPException(404, "this server has no folder of files")
        found = await to_thread.run_sync(files.listed, settings.files, settings.follow_links)
        rest = [file for file in found if file["id"] > after]
        last = rest[_PAGE - 1]["id"] if len(rest) > _PAGE else None
        return StoredFiles(files=rest[:_PAGE], next=last)

    @app.get(
        "/files/{id}",
        summary="What a stored file holds",
        response_model=Description,
        responses=_errors(404),
    )
    async def describe_file(id: Id, item: Item = 0) -> Response:
        return await answer(work.describe, id, item)

    @app.get(
        "/tiles/{id}/{z}/{x}/{y}",
        summary="A tile of a stored picture: 256x256 pixels, less at the edges",
        response_class=Response,
        responses={**_VALUES, **_errors(404, 413)},
    )
    async def tile(
        id: Id,
        z: Annotated[int, Path(ge=0, le=64, description="Zoom; at 0 the picture is one tile")],
        x: Annotated[int, Path(ge=0, lt=2**40, description="Column")],
        y: Annotated[int, Path(ge=0, lt=2**40, description="Row")],
        item: Item = 0,
        format: Annotated[Kind, Query()] = "png",
    ) -> Response:
        return await answer(work.tile, id, item, z, x, y, format)

    return app
