"""The stored files, and answers made of them, which are kept."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any, Callable, Union

from anyio import to_thread
from fastapi import HTTPException, Request, Response

from mscn_tf.runtime.container import size_text
from mscn_tf.runtime.modality import Modality
from mscn_tf.server import files, work, zoom
from mscn_tf.server.answers import Answer
from mscn_tf.server.cache import Cache
from mscn_tf.server.files import Place
from mscn_tf.server.parameters import client_of
from mscn_tf.server.rendering import Wanted
from mscn_tf.server.responses import checked, response, unchanged, validators
from mscn_tf.server.settings import Settings
from mscn_tf.server.workers import Workers


class Store:
    """What is there, and what of it is asked for.

    Args:
      settings: of the server.
      workers: that decode.
      cache: of answers.
    """

    def __init__(self, settings: Settings, workers: Workers, cache: Cache):
        self._settings, self._workers, self._cache = settings, workers, cache

    async def listed(self) -> list[tuple[str, int]]:
        """Id and bytes of each file.

        Raises:
          HTTPException: 404, the server has no folder.
        """
        if self._settings.files is None:
            raise HTTPException(404, "this server has no folder of files")
        folder, links = self._settings.files, self._settings.follow_links
        return await to_thread.run_sync(files.listed, folder, links)

    def place(self, id: str) -> Place:
        """Where a file is; asked of the system each time, which is quicker than a thread's turn.

        Raises:
          HTTPException: 404, there is no such.
        """
        found = None
        if self._settings.files is not None:
            folder, links = self._settings.files, self._settings.follow_links
            found = files.place_of(folder, id, links)
        if found is None:
            raise HTTPException(404, f"no stored file {id}; /files lists them")
        return found

    async def description(self, request: Request, file: Place, item: int) -> dict[str, Any]:
        """What a file says of an item; `parameters.Description` has the keys.

        Raises:
          HTTPException: it is damaged, or has no such item.
        """
        key = (file, item, "description")
        make = self._one(request, key, work.describe, file, item)
        return json.loads(checked(await self._cache.answer(key, key, make)).content)

    async def described(self, request: Request, file: Place, item: int) -> Response:
        """The same as an answer."""

        async def make() -> Response:
            said = await self.description(request, file, item)
            return Response(json.dumps(said), media_type="application/json")

        return await self.fresh(request, file, "json", make)

    async def signal(self, request: Request, file: Place, wanted: Wanted) -> Response:
        """A signal, or a part of it."""
        key = (file, wanted)
        make = self._one(request, key, work.render, file, wanted)

        async def answer() -> Response:
            return response(await self._cache.answer(key, key, make))

        return await self.fresh(request, file, wanted.kind, answer)

    async def tile(
        self,
        request: Request,
        file: Place,
        item: int,
        place: tuple[int, int, int],
        kind: str,
        filled: bool,
    ) -> Response:
        """A tile of a picture.

        Args:
          request: that asks for it.
          file: that holds the picture.
          item: the picture.
          place: zoom, column and row.
          kind: what it is sent as.
          filled: whether it has its 256x256 pixels where the picture has no more, either.

        Raises:
          HTTPException: there is no such.
        """
        said = await self.description(request, file, item)
        if said["original_zoom"] is None:
            nouns = Modality.named(said["modality"]).nouns
            raise HTTPException(422, f"{file.name}: tiles are of pictures, not of {nouns}")
        shape, (z, x, y) = said["size"][::-1], place
        if zoom.part(shape, z, x, y) is None:
            picture = f"a picture of {size_text(shape)} pixels"
            raise HTTPException(404, f"{file.name}: {picture} has no tile {z}/{x}/{y}")
        span = zoom.group(shape, z, said["block"], self._settings.max_pixels)
        square = (z, x // span, y // span, span)

        def key(at: tuple[int, int]) -> Hashable:
            return file, item, kind, z, *at, filled and zoom.is_cut(shape, z, *at)

        asked = (file, item, kind, square, filled)

        async def make() -> Union[Answer, Mapping[Hashable, Answer]]:
            made = await self._workers.do(client_of(request), work.tiles, *asked)
            if isinstance(made, Answer):
                return made
            return {key(at): answer for at, answer in made.items()}

        async def answer() -> Response:
            return response(await self._cache.answer(key((x, y)), asked, make))

        return await self.fresh(request, file, kind, answer)

    def _one(
        self, request: Request, key: Hashable, job: Callable[..., Answer], *arguments: Any
    ) -> Callable[[], Any]:
        """Makes one answer with a worker, to be kept if it is one."""

        async def make() -> Union[Answer, Mapping[Hashable, Answer]]:
            answer = await self._workers.do(client_of(request), job, *arguments)
            return {key: answer} if answer.status == 200 else answer

        return make

    async def fresh(
        self, request: Request, file: Place, kind: str, make: Callable[[], Any]
    ) -> Response:
        """What is made, with headers by which it is kept; or that the client has it already."""
        headers = validators(file, kind, self._settings.max_age)
        if unchanged(request.headers, headers):
            return Response(status_code=304, headers=headers)
        made: Response = await make()
        if made.status_code == 200:
            made.headers.update(headers)
        return made
