"""A local worker process: one thread, and an end with the process that started it."""

from __future__ import annotations

import logging
import os
import threading
import time

ALIVE = "MSCN_ALIVE"  # names a file that is there as long as the run goes on


def main() -> None:
    """Serves one Beam runner."""
    # As many workers as cores: threads of their own would only get into each other's way.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    threading.Thread(target=_watch, args=(os.getppid(), os.environ[ALIVE]), daemon=True).start()
    logging.disable(logging.WARNING)
    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main([])


def _watch(parent: int, alive: str) -> None:
    while os.getppid() == parent and os.path.exists(alive):
        time.sleep(0.3)
    os._exit(1)


if __name__ == "__main__":
    main()
