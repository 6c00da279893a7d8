"""The codecs that users would pick instead, each through the library that most programs use.

Those of a modality stand in the tuple that `Modality.baselines` names. To add one, put a `Baseline`
there: docs/evaluation.md has an example.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any, Callable, Optional

from mscn_tf.evaluation.assessments.images import PICTURES
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError, install
from mscn_tf.runtime.lazy import imported
from mscn_tf.runtime.modality import Modality

LINEAR = "linear"  # asked for like a baseline, but fitted to data: see `linear_reference`


@dataclass(frozen=True)
class Baseline:
    """A codec and one way of using it; its settings, from small to large files, give a curve.

    Attributes:
      name: what rows of results and ``--baselines`` call it.
      family: what ``--baselines`` calls all ways of using the codec; they share one curve.
      label: of the family, for readers.
      settings: what ``encode`` is called with; a lossless codec has one.
      encode: a signal and a setting to the bytes of a file.
      decode: such bytes, the signal (for its shape and type alone), and the setting, to what the
        modality measures: of most an array like the signal's.
      version: of the library, and how it is used; rows measured with another are stale.
      lossless: every signal comes back as it was.
      together: codes a stack of all signals, ``[N, .., C]``, in one file; takes one shape only.
      payload: bytes of a file without its headers, from what ``decode`` takes.
      needs: modules that come with no extra; "all" takes the codec only where they are installed.
    """

    name: str
    family: str
    label: str
    settings: tuple[float, ...]
    encode: Callable[[Signal, float], bytes]
    decode: Callable[[bytes, Signal, float], Any]
    version: Callable[[], str]
    lossless: bool = False
    together: bool = False
    payload: Optional[Callable[[bytes, Signal, float], int]] = None
    needs: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether the modules are there that come with no extra."""
        return all(importlib.util.find_spec(module) for module in self.needs)


@cache
def of(modality: str) -> dict[str, Baseline]:
    """The baselines of a modality by their names.

    Raises:
      MscnError: a library that they need is not installed.
    """
    path = Modality.named(modality).baselines
    if not path:
        return {}
    try:
        baselines: tuple[Baseline, ...] = imported(path)
    except ModuleNotFoundError as error:
        missing = (error.name or "").replace("_", "-")
        raise MscnError(f"needs {missing}: {install('evaluate,signals')}") from error
    return {one.name: one for one in baselines}


def resolve(
    text: str, linear: bool = False, modality: str = PICTURES.name
) -> tuple[list[Baseline], bool]:
    """The baselines that a list of names stands for.

    Args:
      text: names of baselines or families, separated by commas; or "all", or "none".
      linear: whether "all" includes the linear reference, which needs data to be fitted to.
      modality: of the signals; only pictures have a linear reference.

    Returns:
      The baselines, and whether the linear reference is wanted too.

    Raises:
      MscnError: a name is unknown, or a library is missing.
    """
    known, kind = of(modality), Modality.named(modality)
    families = list(dict.fromkeys(baseline.family for baseline in known.values()))
    others = [LINEAR] if kind.pixels else []
    names = [name.strip() for name in text.split(",")]
    if names == ["none"]:
        return [], False
    if names == ["all"]:
        usable = [baseline.family for baseline in known.values() if baseline.is_installed]
        names = [family for family in families if family in usable] + others * linear
    for name in names:
        if name not in (*known, *families, *others):
            raise MscnError(
                f"no baseline named {name!r}; there are {', '.join([*families, *others])}; "
                "or give all or none"
                if families
                else f"no baseline named {name!r}: a {kind.noun} has none; give none"
            )
    chosen = [b for b in known.values() if b.name in names or b.family in names]
    for baseline in chosen:
        if not baseline.is_installed:
            wanted = " ".join(baseline.needs).replace("_", "-")
            raise MscnError(f"--baselines: {baseline.name} needs more: pip install {wanted}")
        baseline.version()
    return chosen, LINEAR in names


def require(*modules: str) -> None:
    """Finds out, without importing them, whether modules are installed.

    Raises:
      MscnError: one isn't.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            missing = module.replace("_", "-")
            raise MscnError(f"needs {missing}: {install('evaluate')}")
