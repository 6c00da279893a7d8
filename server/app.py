"""The HTTP interface, put together."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import anyio
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from mscn_tf import __version__
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.server import bodies, iiif_api, index, stored
from mscn_tf.server.access_log import AccessLog
from mscn_tf.server.answers import failure
from mscn_tf.server.cache import Cache
from mscn_tf.server.limits import Limits
from mscn_tf.server.metrics import Metrics
from mscn_tf.server.parameters import check_known
from mscn_tf.server.responses import NOTE, response
from mscn_tf.server.settings import Settings
from mscn_tf.server.store import Store
from mscn_tf.server.workers import Workers


def create_app(settings: Settings) -> FastAPI:
    """The application; its workers start with it.

    Raises:
      MscnError: a codec isn't there, or is damaged.
    """
    names = [Bundle.load(codec).name for codec in settings.codecs]
    metrics, workers = Metrics(), Workers(settings)
    cache = Cache(settings.cache, metrics)
    store = Store(settings, workers, cache)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await workers.start()
        async with anyio.create_task_group() as cache.tasks:
            yield

    app = FastAPI(
        title="mscn",
        version=__version__,
        description="Decodes and encodes .mscn files.",
        lifespan=lifespan,
        redoc_url=None,
        dependencies=[Depends(check_known)],
    )
    _add_middleware(app, settings, metrics)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(Exception)(_failed)
    app.include_router(index.router(names, metrics, store, settings.files is not None))
    app.include_router(bodies.router(names, workers, settings.max_body))
    app.include_router(stored.router(store))
    app.include_router(iiif_api.router(store, settings.max_pixels))
    index.add_viewer(app, settings.viewer)
    return app


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Each is around those before."""
    if settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD"],
            expose_headers=["ETag", "Link", NOTE],
        )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.hosts, www_redirect=False)
    app.add_middleware(
        Limits,
        metrics=metrics,
        log=AccessLog(sys.stdout if settings.access_log else None),
        max_requests=settings.max_requests,
        max_bodies=settings.max_bodies,
        timeout=settings.timeout,
    )


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    wrong = (f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
    return response(failure(422, "; ".join(wrong)))


async def _failed(_request: Request, _error: Exception) -> Response:
    return response(failure(500, "internal error"))
