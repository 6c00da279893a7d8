"""What represents a signal: coordinate embeddings, SIREN layers and modulations, in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscn_tf.runtime import lazy

if TYPE_CHECKING:
    from mscn_tf.networks.basis import BasisNetwork as BasisNetwork
    from mscn_tf.networks.embeddings import Embedding as Embedding
    from mscn_tf.networks.embeddings import NerfFrequencies as NerfFrequencies
    from mscn_tf.networks.embeddings import RandomFourierFeatures as RandomFourierFeatures
    from mscn_tf.networks.embeddings import SeparableCosines as SeparableCosines
    from mscn_tf.networks.modulations import BasisModulation as BasisModulation
    from mscn_tf.networks.modulations import LatentModulation as LatentModulation
    from mscn_tf.networks.modulations import Modulation as Modulation
    from mscn_tf.networks.modulations import ShiftModulation as ShiftModulation
    from mscn_tf.networks.modulations import SubspaceModulation as SubspaceModulation
    from mscn_tf.networks.modulations import WeightModulation as WeightModulation
    from mscn_tf.networks.modulations import network_sizes as network_sizes
    from mscn_tf.networks.network import ModulatedSiren as ModulatedSiren
    from mscn_tf.networks.post_filter import PostFilter as PostFilter
    from mscn_tf.networks.rendering import ImportanceSampling as ImportanceSampling
    from mscn_tf.networks.rendering import RadianceGrid as RadianceGrid
    from mscn_tf.networks.rendering import StratifiedSampling as StratifiedSampling
    from mscn_tf.networks.rendering import VolumeRendering as VolumeRendering
    from mscn_tf.networks.siren import LayerUpdate as LayerUpdate
    from mscn_tf.networks.siren import SirenLayer as SirenLayer
    from mscn_tf.networks.sphere import SphereNetwork as SphereNetwork

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "basis": ["BasisNetwork"],
        "embeddings": ["Embedding", "NerfFrequencies", "RandomFourierFeatures", "SeparableCosines"],
        "modulations": [
            "BasisModulation",
            "LatentModulation",
            "Modulation",
            "ShiftModulation",
            "SubspaceModulation",
            "WeightModulation",
            "network_sizes",
        ],
        "network": ["ModulatedSiren"],
        "post_filter": ["PostFilter"],
        "rendering": [
            "ImportanceSampling",
            "RadianceGrid",
            "StratifiedSampling",
            "VolumeRendering",
        ],
        "siren": ["LayerUpdate", "SirenLayer"],
        "sphere": ["SphereNetwork"],
    },
)
