"""usage: mscn serve --codec=NAME[,NAME..] [--files=FOLDER] [--host=H] [--port=N] [limits]

Decodes and encodes over HTTP, and renders tiles of the .mscn files in FOLDER, also by IIIF; / has
links to them, /docs the endpoints. Names are those of `mscn codecs`, or paths of .mscnb files.
Ctrl-C or SIGTERM stops it when the requests that it has begun are answered. Needs no TensorFlow.

Examples:
  mscn serve --codec=photo
  mscn serve --codec=photo,thumb32 --files=pictures/ --host=0.0.0.0 --port=80
  mscn serve --codec=photo --files=pictures/ --viewer=build/viewer   # after `make viewer`
"""

from __future__ import annotations

import functools
import ipaddress
import math
import os
import re
import signal
import socket
import sys

from absl import flags

from mscn_tf.apps import cli
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.errors import MscnError, install

CODEC = flags.DEFINE_list("codec", None, "codecs to serve, separated by commas")
FILES = flags.DEFINE_string("files", None, "folder whose .mscn files tiles are rendered of")
LINKS = flags.DEFINE_bool(
    "follow-links", False, "take links in --files for stored files; default no"
)
HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "address to listen on; 0.0.0.0 for all; default 127.0.0.1"
)
HOSTS = flags.DEFINE_list(
    "allowed-hosts",
    None,
    "names that requests may call the server by, *.NAME those below; default all, of a --host of"
    " this machine alone localhost",
)
CORS = flags.DEFINE_list(
    "cors",
    None,
    "origins whose pages may read answers, * for all; default all, of a --host of this machine"
    " alone none",
)
VIEWER = flags.DEFINE_string(
    "viewer", None, "folder of the page that shows pictures, which `make viewer` makes"
)
ACCESS_LOG = flags.DEFINE_bool(
    "access-log", False, "a line on standard output for each request; default no"
)
PORT = flags.DEFINE_integer("port", 8000, "port to listen on; 0 takes a free one; default 8000")
WORKERS = flags.DEFINE_integer(
    "workers", os.cpu_count() or 1, "processes that decode and encode; default as many as cores"
)
MAX_REQUESTS = flags.DEFINE_integer(
    "max-requests", None, "worked on or waiting at one time; default 64 a worker"
)
MAX_CONNECTIONS = flags.DEFINE_integer(
    "max-connections", None, "open at one time; default what ulimit -n leaves, at most 1000"
)
MAX_BODY = flags.DEFINE_integer("max-body", 2**24, "bytes of a request's body; default 2^24")
CACHE = flags.DEFINE_integer(
    "cache",
    2**28,
    "bytes of answers of stored files that are kept, and in each worker of decoded blocks; 0 keeps"
    " none; default 2^28",
)
MAX_AGE = flags.DEFINE_integer(
    "max-age", 60, "seconds for which others may keep them without asking; default 60"
)
MAX_PIXELS = flags.DEFINE_integer(
    "max-pixels", 2**24, "pixels that a request may ask for; default 2^24"
)
TIMEOUT = flags.DEFINE_float("timeout", 60.0, "seconds that a request may take; default 60")

_WAITING = 64  # requests a worker
_BODIES = 4  # of the largest size a worker, in memory at one time
_KEEP_ALIVE = 5  # seconds that a connection may wait between requests


def main(argv: list[str]) -> None:
    """The command: serves until it is told to stop."""
    cli.positional(argv)
    _check_flags()
    names = [Bundle.load(codec).name for codec in CODEC.value]
    if len(set(names)) < len(names):
        raise MscnError(f"--codec={','.join(CODEC.value)}: two codecs have one name")
    with _listening() as listener:
        _serve(listener)


def _serve(listener: socket.socket) -> None:
    try:
        import uvicorn

        from mscn_tf import server
        from mscn_tf.server.app import create_app
        from mscn_tf.server.connections import Connection, Server, room
        from mscn_tf.server.settings import Settings
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "mscn_tf":
            raise
        raise MscnError(f"needs {error.name}: {install('serve')}") from error
    most = _connections(room(WORKERS.value))
    requests = _requests(most)
    own = _own(listener)
    settings = Settings(
        codecs=tuple(CODEC.value),
        files=FILES.value,
        follow_links=LINKS.value,
        hosts=tuple(HOSTS.value or own or ["*"]),
        origins=tuple(CORS.value if CORS.value is not None else [] if own else ["*"]),
        viewer=VIEWER.value,
        access_log=ACCESS_LOG.value,
        workers=WORKERS.value,
        max_requests=requests,
        max_body=MAX_BODY.value,
        max_bodies=MAX_BODY.value * min(_BODIES * WORKERS.value, requests),
        max_pixels=MAX_PIXELS.value,
        cache=CACHE.value,
        max_age=MAX_AGE.value,
        timeout=TIMEOUT.value,
    )
    config = uvicorn.Config(
        create_app(settings),
        # Uvicorn asks for a class, which it calls, and whole seconds, which its timer doesn't need.
        http=functools.partial(Connection, settings.timeout, most),  # type: ignore[arg-type]
        headers=[("X-Content-Type-Options", "nosniff")],
        timeout_keep_alive=min(_KEEP_ALIVE, settings.timeout),  # type: ignore[arg-type]
        log_level="error",
        ws="none",
        lifespan="on",
        # Requests end in their own time; this is for connections that don't.
        timeout_graceful_shutdown=int(TIMEOUT.value) + 5,
    )
    # Workers run the main module first. They need nothing of the command, and from Python 3.13 on
    # cannot: absl imports pdb, which imports __main__, which is not there yet.
    sys.modules["__main__"].__file__ = server.__file__
    host, port = listener.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/docs", flush=True)
    # Uvicorn handles both, and raises them again when it has stopped: which is no error here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Server(config).run(sockets=[listener])


def _connections(room: int) -> int:
    """How many may be open at one time.

    Raises:
      MscnError: the limit on open files leaves too few.
    """
    most = MAX_CONNECTIONS.value or room
    if most > room or most < 2:
        raise MscnError(f"--max-connections={most}: open files leave {room}; raise ulimit -n")
    return most


def _requests(connections: int) -> int:
    """How many may be worked on or wait at one time.

    Raises:
      MscnError: there are fewer connections than were asked for.
    """
    requests = MAX_REQUESTS.value or min(_WAITING * WORKERS.value, connections // 2)
    if connections <= requests:
        raise MscnError(
            f"{connections} connections are too few for {requests} requests at once; lower "
            "--max-requests, or raise --max-connections and ulimit -n"
        )
    return requests


def _own(listener: socket.socket) -> list[str]:
    """This machine's names, if it listens to itself alone: no page elsewhere can pass for it."""
    address = listener.getsockname()[0]
    if not ipaddress.ip_address(address.split("%")[0]).is_loopback:
        return []
    return ["localhost", "127.0.0.1", "::1", "[::1]", address]


def _check_flags() -> None:
    if not CODEC.value:
        raise MscnError("give the codecs to serve: --codec=photo; mscn codecs lists them")
    if FILES.value is not None:
        try:
            os.scandir(FILES.value).close()
        except OSError as error:
            raise MscnError(f"--files={FILES.value}: {error.strerror}; give a folder") from error
    for flag in (WORKERS, MAX_REQUESTS, MAX_CONNECTIONS, MAX_BODY, MAX_PIXELS, TIMEOUT):
        if flag.value is not None and not 0 < flag.value < math.inf:
            raise MscnError(f"--{flag.name}={flag.value:g}: must be more than 0")
    for whole in (CACHE, MAX_AGE):
        if whole.value < 0:
            raise MscnError(f"--{whole.name}={whole.value}: must be 0 or more")
    if VIEWER.value is not None and not os.path.isfile(os.path.join(VIEWER.value, "index.html")):
        raise MscnError(f"--viewer={VIEWER.value}: no page there; make it with `make viewer`")
    for origin in CORS.value or ():
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise MscnError(f"--cors={origin}: give origins, https://example.org, or * for all")
    for host in HOSTS.value or ():
        if host != "*" and "*" in (host.removeprefix("*.") or "*"):
            raise MscnError(f"--allowed-hosts={host}: give names, *.NAME, or * for all")
    if not 0 <= PORT.value < 2**16:
        raise MscnError(f"--port={PORT.value}: must be 0 to {2**16 - 1}")


def _listening() -> socket.socket:
    """A socket that listens on --host and --port.

    Raises:
      MscnError: the port is taken, or the address isn't this machine's.
    """
    where = f"{HOST.value}:{PORT.value}"
    try:
        family, *_, address = socket.getaddrinfo(
            HOST.value, PORT.value, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MscnError(
            f"cannot listen on {where}: {reason}; choose another --host or --port"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # connections inherit it: unread answers don't stay
        milliseconds = int(1000 * TIMEOUT.value)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return listener


def run() -> None:
    """Runs the command on `sys.argv` and exits."""
    cli.run(main)


if __name__ == "__main__":
    run()
