"""What a server is and has: its start page, health, figures, and the page that shows pictures."""

import html
from typing import Any, Optional

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles

from mscn_tf import __version__
from mscn_tf.server.metrics import Metrics
from mscn_tf.server.parameters import Health
from mscn_tf.server.store import Store

_SHOWN = 100  # files on the start page
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "li{margin:.2rem 0}"
)
_POLICY = "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'"


def router(names: list[str], metrics: Metrics, store: Store, stored: bool) -> APIRouter:
    """The endpoints.

    Args:
      names: of the codecs.
      metrics: of the server.
      store: of the files.
      stored: whether there is a folder of them.
    """
    endpoints = APIRouter()

    @endpoints.get("/", summary="What is here: a page for browsers, else JSON")
    async def start(request: Request) -> Response:
        vary = {"Vary": "Accept"}
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse(_links(names, stored), headers=vary)
        files = [id for id, _ in await store.listed()] if stored else []
        headers = {**vary, "Content-Security-Policy": _POLICY}
        return HTMLResponse(_page(names, files), headers=headers)

    @endpoints.get("/health", summary="Whether the server is ready")
    async def health() -> Health:
        return Health(status="ok", version=__version__, codecs=names)

    @endpoints.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def figures() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return endpoints


def _links(names: list[str], stored: bool) -> dict[str, Any]:
    links = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health"}
    links.update({"decode": "/decode", "encode": "/encode", "metrics": "/metrics"})
    if stored:
        links.update(
            {
                "files": "/files",
                "signal": "/signals/{id}",
                "tiles": "/tiles/{id}/{z}/{x}/{y}.png",
                "iiif": "/iiif/{id}/info.json",
                "view": "/view/?id={id}",
            }
        )
    return {"name": "mscn", "version": __version__, "codecs": names, "links": links}


def _page(names: list[str], files: list[str]) -> str:
    listed = "".join(
        f'<li><a href="/view/?id={id}">{id}</a> · <a href="/files/{id}">about</a>'
        f' · <a href="/signals/{id}">decoded</a>'
        f' · <a href="/iiif/{id}/info.json">IIIF</a></li>'
        for id in map(html.escape, files[:_SHOWN])
    )
    more = f'<p>{len(files)} files: <a href="/files">all of them</a></p>'
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>mscn</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style><h1>mscn {__version__}</h1>"
        f"<p>Codecs: {html.escape(', '.join(names))}</p>"
        '<p><a href="/docs">Endpoints</a> · <a href="/health">health</a>'
        ' · <a href="/metrics">figures</a></p>'
        f"<h2>Pictures and other files</h2><ul>{listed}</ul>{more if files else '<p>None.</p>'}"
        "</html>"
    )


def add_viewer(app: FastAPI, folder: Optional[str]) -> None:
    """Serves the page that shows pictures; without its folder ``/view/`` says how to make it."""
    if folder is not None:
        app.mount("/view", StaticFiles(directory=folder, html=True), name="view")
        return

    @app.get("/view/", include_in_schema=False)
    async def view(id: str = "") -> Response:
        raise HTTPException(404, "no viewer: run `make viewer`, then serve --viewer=build/viewer")
