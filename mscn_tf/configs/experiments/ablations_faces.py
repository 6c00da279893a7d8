"""What the parts of MSCN bring, on faces, at a tenth of all parameters kept, in real bytes."""

from typing import Any

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces


def get_config(size: str = "cpu") -> ConfigDict:
    """Every arm differs from the first in one thing."""
    config = pruning_faces.get_config(size)
    config.update(
        name="ablations_faces", kept=(0.1,), other_steps=(1, 2, 5, 10), quantiser_steps=(0.3, 1.0)
    )
    config.title = config.title.replace("all weights adapted", "gates at a tenth")

    def arm(price_follows: str = "stored", **model: Any) -> dict[str, Any]:
        change = dict(model=dict(sparsity="gates", **model), price_follows=price_follows)
        return dict(method="gates", change=change)

    # Shared gates that were deterministic in training could close but not open again.
    shared: dict[str, Any] = dict(per_signal=False, sampled=True, price_follows="expected")

    with config.unlocked():
        config.arms = {
            "MSCN": arm(),
            "one mask for all signals": arm(**shared),
            "one step size": arm(meta_sgd=False),
            "first order": arm(first_order=True),
            "1 inner step": arm(steps=1),
            "2 inner steps": arm(steps=2),
            "5 inner steps": arm(steps=5),
            "10 inner steps": arm(steps=10),
            "target all": config.arms["MSCN, all"],
        }
    return config
