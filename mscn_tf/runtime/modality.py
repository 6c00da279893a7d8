"""The modalities: what is known of each kind of signal, and in which modules the rest stands.

Adding one is its module and a `Modality.register` of it: docs/modalities.md. What only some
commands need stands in modules that are imported when it is asked for, written "module:attribute".
"""

from __future__ import annotations

from dataclasses import dataclass

from mscn_tf.runtime.errors import MscnError


@dataclass(frozen=True)
class Modality:
    """A kind of signal.

    Attributes:
      number: in files; never given to another one.
      name: in commands, configurations and bundles.
      axes: of a signal; channels are no axis.
      files: the module that reads, writes and measures its files: `signals.protocol`.
      ending: of the file that a decoded signal goes to where nobody names one.
      endings: of files that hold such signals and nothing else.
      pattern: of the name of a file, or of one in a folder, that tells it; "" where none does.
      npy: type of the values of `.npy` arrays of its axes that hold one; "" where that tells none.
      options: keywords that its reader takes, of those that `apps.encode` has for them.
      noun: for one signal.
      sample: for one of its samples.
      default_codec: the shipped codec that encodes it unasked; None where there is none, or where
        the module of `files` chooses.
      bounded_codec: the same within a bound, where that one keeps none.
      each: names in the metadata whose lists have an entry for each signal.
      pixels: its values are 8-bit pixels of 1 to 4 channels, which may be transparent, in tiles
        that don't overlap; else each codec says which values it takes.
      sphere: its coordinates are those of a sphere, and all signals of a file lie on one grid.
      packed: its metadata are written in few bytes, against the words of fields.
      truth: its values stand for what is inside or outside.
      measures: the `evaluation.assessment.Assessment` of it; "" where it isn't evaluated.
      baselines: the tuple of other codecs, of `evaluation.baselines.Baseline`; "" where none is.
      drawing: the `evaluation.drawing.Drawing` that draws one; "" draws it by its axes.
      fit: the function that reads files in place of the module of `files`, where signals are fitted
        to them: with TensorFlow.
    """

    number: int
    name: str
    axes: int
    files: str
    ending: str
    endings: tuple[str, ...] = ()
    pattern: str = ""
    npy: str = ""
    options: tuple[str, ...] = ()
    noun: str = "signal"
    sample: str = "point"
    default_codec: str | None = None
    bounded_codec: str | None = None
    each: tuple[str, ...] = ()
    pixels: bool = False
    sphere: bool = False
    packed: bool = False
    truth: bool = False
    measures: str = ""
    baselines: str = ""
    drawing: str = ""
    fit: str = ""

    @property
    def nouns(self) -> str:
        """The noun for several signals."""
        return self.noun + ("es" if self.noun.endswith("sh") else "s")

    def unasked(self, bounded: bool) -> str | None:
        """The shipped codec that encodes it unasked, within a bound or without."""
        return self.bounded_codec if bounded and self.bounded_codec else self.default_codec

    def tile_options(self, tile_edge: int, tile_overlap: int) -> dict[str, int]:
        """Keywords that its reader takes of a codec's tiles: grids that suit them."""
        given = {"tile_edge": tile_edge, "tile_overlap": tile_overlap}
        return {name: value for name, value in given.items() if name in self.options}

    def count(self, signals: int) -> str:
        """So many signals in words: "3 pictures"."""
        return f"{signals} {self.noun if signals == 1 else self.nouns}"

    def register(self) -> Modality:
        """Makes it known to all commands, and gives it back.

        Raises:
          ValueError: its number or its name is that of another one.
        """
        if not 0 <= self.number < 256:  # a byte in files
            raise ValueError(f"modality {self.name} has number {self.number}, not one of 0 to 255")
        for other in _REGISTERED.values():
            if other != self and (other.number == self.number or other.name == self.name):
                raise ValueError(f"{other.name} is modality {other.number}: {self.name} can't be")
        _REGISTERED[self.number] = self
        return self

    @staticmethod
    def all() -> tuple[Modality, ...]:
        """All that are registered, in that order."""
        return tuple(_REGISTERED.values())

    @staticmethod
    def names() -> list[str]:
        """Names of all that are registered."""
        return [one.name for one in _REGISTERED.values()]

    @staticmethod
    def numbered(number: int) -> Modality:
        """That of a number in files.

        Raises:
          MscnError: there is none.
        """
        if number not in _REGISTERED:
            raise MscnError(f"no modality {number}; get the newest mscn-tf")
        return _REGISTERED[number]

    @staticmethod
    def named(name: str) -> Modality:
        """That of a name.

        Raises:
          MscnError: there is none.
        """
        for one in _REGISTERED.values():
            if one.name == name:
                return one
        raise MscnError(f"no modality {name}; there are {', '.join(Modality.names())}")


_REGISTERED: dict[int, Modality] = {}

Modality(
    number=0,
    name="image",
    axes=2,
    files="mscn_tf.signals.images",
    ending=".png",
    options=("keep_metadata",),
    noun="picture",
    sample="pixel",
    each=("pictures",),
    pixels=True,
    measures="mscn_tf.evaluation.assessments.images:PICTURES",
    baselines="mscn_tf.evaluation.baselines.images:BASELINES",
    drawing="mscn_tf.evaluation.drawing:PICTURE",
).register()
Modality(
    number=1,
    name="field",
    axes=2,
    files="mscn_tf.signals.fields",
    ending=".nc",
    endings=(".nc", ".nc4", ".cdf", ".grib", ".grib2", ".grb", ".grb2", ".zarr"),
    options=("variables", "lossless", "others", "max_error", "relative_error"),
    noun="field",
    default_codec="temperature",
    sphere=True,
    packed=True,
    measures="mscn_tf.evaluation.assessments.fields:FIELDS",
    baselines="mscn_tf.evaluation.baselines.fields:BASELINES",
    drawing="mscn_tf.evaluation.drawing:FIELD",
).register()
Modality(
    number=2,
    name="sound",
    axes=1,
    files="mscn_tf.signals.sound",
    ending=".wav",
    endings=(
        *(".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".aif", ".aiff"),
        *(".aifc", ".au", ".snd", ".caf", ".mp3"),
    ),
    options=("lossless",),
    noun="sound",
    sample="sample",
    default_codec="speech",
    measures="mscn_tf.evaluation.assessments.sound:SOUNDS",
    baselines="mscn_tf.evaluation.baselines.sound:BASELINES",
).register()
Modality(
    number=3,
    name="volume",
    axes=3,
    files="mscn_tf.signals.volumes",
    ending=".nii",
    # What nibabel reads; and what volumes come in besides, of which the reader says what to do.
    endings=(
        *(".nii", ".nii.gz", ".hdr", ".img", ".mgh", ".mgz", ".mnc", ".head", ".brik", ".brik.gz"),
        *(".par", ".rec", ".dcm", ".ima", ".nrrd", ".nhdr", ".mha", ".mhd"),
    ),
    options=("lossless",),
    noun="volume",
    sample="voxel",
    default_codec="volume",
    each=("low", "high", "holes"),
    measures="mscn_tf.evaluation.assessments.volumes:VOLUMES",
    baselines="mscn_tf.evaluation.baselines.volumes:BASELINES",
).register()
Modality(
    number=4,
    name="voxels",
    axes=3,
    files="mscn_tf.signals.voxels",
    ending=".binvox",
    endings=(".binvox",),
    npy="bool",
    noun="shape",
    sample="voxel",
    default_codec="voxels32",
    each=("translate", "scale"),
    truth=True,
    measures="mscn_tf.evaluation.assessments.voxels:VOXELS",
    baselines="mscn_tf.evaluation.baselines.voxels:BASELINES",
    drawing="mscn_tf.evaluation.drawing:VOXELS",
).register()
Modality(
    number=5,
    name="silhouette",
    axes=2,
    files="mscn_tf.signals.silhouettes",
    ending=".png",
    options=("lossless", "tile_edge"),
    noun="shape",
    default_codec="silhouette64",
    each=("size",),
    truth=True,
    measures="mscn_tf.evaluation.assessments.silhouettes:SILHOUETTES",
    baselines="mscn_tf.evaluation.baselines.silhouettes:BASELINES",
    drawing="mscn_tf.evaluation.drawing:SILHOUETTE",
).register()
Modality(
    number=6,
    name="mesh",
    axes=3,
    files="mscn_tf.signals.meshes",
    ending=".ply",
    endings=(".3mf", ".dae", ".glb", ".gltf", ".obj", ".off", ".ply", ".stl"),
    options=("tile_edge", "tile_overlap"),
    noun="mesh",
    default_codec="surface",
    bounded_codec="mesh",
    each=("corner", "cell"),
    measures="mscn_tf.evaluation.assessments.meshes:MESHES",
    baselines="mscn_tf.evaluation.baselines.meshes:BASELINES",
    drawing="mscn_tf.evaluation.drawing:MESH",
).register()
Modality(
    number=7,
    name="scene",
    axes=3,
    files="mscn_tf.signals.scenes",
    ending=".gif",
    pattern="transforms*.json",
    options=("bound", "resolution", "steps", "progress"),
    noun="scene",
    default_codec="scene",
    measures="mscn_tf.evaluation.assessments.scenes:SCENES",
    drawing="mscn_tf.evaluation.drawing:SCENE",
    fit="mscn_tf.codec.scenes:read_scene",
).register()
