from __future__ import annotations

import os

from hypothesis import settings

# No deadlines: machines are busy. On CI the same cases every time, so that red means a change.
settings.register_profile("mscn", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("mscn")
