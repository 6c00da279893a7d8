"""Files whose codes are gated updates of a sine network; in all else they are files of tiles."""

from __future__ import annotations

from mscn_tf.runtime import tile_model
from mscn_tf.runtime.manifest import Manifest, whole_number
from mscn_tf.runtime.scheme import register
from mscn_tf.runtime.tiles import Tiles


@register
class Modulated(Tiles):
    """How files of a modulated network become signals.

    An element of a code that a closed gate leaves out is a zero among the symbols. Which weight of
    the network an element moves says the decoder's graph.
    """

    name = "modulated"
    aliases = ()
    lowest_effort = 1
    encoder = "mscn_tf.codec.modulated_encoding:ModulatedEncoder"
    trainer = "mscn_tf.training.modulated_codec:codec_trainer"
    contents = "mscn_tf.export.modulated_bundle:contents"
    functions = "mscn_tf.export.modulated_functions:ModulatedFunctions"

    @classmethod
    def check_manifest(cls, manifest: Manifest) -> None:
        tile_model.check_tile(manifest)
        if manifest.model is not None:
            whole_number(manifest.model, "steps", tile_model.MOST_STEPS)
