"""The kinds of sparsity at equal shares of parameters kept, on faces, in real bytes."""

from typing import Any

from ml_collections import ConfigDict

from mscn_tf.configs.experiments import pruning_faces


def get_config(size: str = "cpu") -> ConfigDict:
    """Kinds of both targets. Those of "modulation" are gates on shifts: fewer elements in all."""
    config = pruning_faces.get_config(size)
    config.update(name="kinds_faces", kept=(0.2,), quantiser_steps=(0.3, 1.0))
    config.adam.steps = 0
    config.title = config.title.replace("all weights adapted", "kinds of sparsity")
    steep: dict[str, Any] = dict(
        gate_step_size=2e-4, initial_open=0.99, floor=0.0, sampled=True, target="all"
    )

    def arm(
        gate_rate: float = 0.03, sparsity: str = "gates", follows: str = "stored", **model: Any
    ) -> dict[str, Any]:
        change = dict(model=dict(sparsity=sparsity, **model), optimizer=dict(gate_rate=gate_rate))
        return dict(method="gates", change=dict(price_follows=follows, **change))

    with config.unlocked():
        config.arms = {
            "delta, unstructured": arm(),
            "delta, group": arm(granularity="group"),
            "delta, modulation": arm(granularity="modulation", modulation="shift"),
            # Shared gates that were deterministic in training could close but not open again.
            "gradient": arm(sparsity="gradient", sampled=True, follows="expected"),
            "all, unstructured": arm(0.05, **steep),
            "all, group": arm(0.05, granularity="group", **steep),
            "all, activation": arm(0.05, granularity="activation", **steep),
        }
    return config
