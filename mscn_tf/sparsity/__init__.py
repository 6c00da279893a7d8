"""Hard-concrete gates, and gated and masked modulations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscn_tf.runtime import lazy

if TYPE_CHECKING:
    from mscn_tf.sparsity.gated import GatedModulation as GatedModulation
    from mscn_tf.sparsity.hard_concrete import HardConcrete as HardConcrete
    from mscn_tf.sparsity.pruning import MaskedModulation as MaskedModulation

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "gated": ["GatedModulation"],
        "hard_concrete": ["HardConcrete"],
        "pruning": ["MaskedModulation"],
    },
)
