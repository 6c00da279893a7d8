"""`photo`'s second training: the network that mends its pictures."""

from ml_collections import ConfigDict

from mscn_tf.configs import photo


def get_config() -> ConfigDict:
    """All but the filter is taken from the bundle `coded_by`."""
    config = photo.get_config()
    config.update(
        coded_by="photo-first",
        steps=9000,
        batch=8,  # patches of one quality
        patch=64,  # pixels along each side, even
        post_filter=dict(width=32),
        directions=8,  # in which pictures change its last layer
        evaluate_every=10000,
        validation_pictures=10,
    )
    config.optimizer = dict(rate=6e-4, warmup=200, clip=1.0, beta_2=0.99)
    config.data.update(
        # What benchmarks/free_pictures.py makes, and benchmarks/drawn_pictures.py.
        train="data/free/train/*.png,data/free/more/*.png,data/drawn/train/*.png",
        validation="data/free/validation/*.png,data/drawn/validation/*.png",
        scales=(0.6, 0.4),
        # Closer together where photographs are kept, 0.05 to 1.2 bits a pixel.
        qualities=(1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 8, 9, 10),
        qualities_of_picture=3,
    )
    return config
