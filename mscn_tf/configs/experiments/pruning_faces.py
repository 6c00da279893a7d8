"""Gates against pruning, on faces: quality over the share of parameters that a signal keeps.

Meta-SparseINR's protocol (Lee et al. 2021) on MSCN's question. "cpu" is what two cores train in
half an hour a seed; "paper" has the sizes that are public.
"""

from ml_collections import ConfigDict


def get_config(size: str = "cpu") -> ConfigDict:
    """All fields of an experiment, and what each means."""
    config = ConfigDict(
        dict(
            name="pruning_faces",
            title="Faces of 32x32, SIREN 48x3, all weights adapted",
            modality="image",
            seeds=(0, 1, 2),
            kept=(0.4, 0.2, 0.1, 0.05, 0.01),
            steps=600,  # outer ones, of every arm
            batch=8,
            points=0,  # coordinates drawn a step; 0: all
            density=1.0,  # wanted share of open gates; set by the arm
            anneal=(0.0, 0.6),  # shares of the run between which the wanted density falls
            first_price=0.01,  # of the density, in squared errors
            price_rate=0.015,
            price_follows="stored",
            xla=False,
            precision="float32",
            model=dict(
                axes=2,
                channels=3,
                width=48,
                depth=3,
                w0=30.0,
                modulation="weights",
                latent_size=64,
                sparsity="none",
                granularity="unstructured",
                target="delta",
                per_signal=True,
                initial_open=0.9,
                temperature=2 / 3,
                stretch=(-0.1, 1.1),
                floor=0.02,
                sampled=False,  # gates, in training
                look_ahead=True,
                steps=3,  # inner ones
                per_step=True,
                first_order=False,
                meta_sgd=True,
                step_size=0.01,
                gate_step_size=60.0,
                step_size_factor=30.0,
            ),
            optimizer=dict(
                rate=3e-3,
                step_size_rate=0.02,
                gate_rate=0.03,
                clip=0.1,
                constant=600,  # steps after which rates fall by the square root of the steps
                average=0.99,
                schedule_steps=0,
            ),
            data=dict(
                train="../shared/data/celeba/**/*.jpg", edge=32, held_out=200, test=64, options={}
            ),
            frozen_threshold=0.2,  # gates that signals don't adapt are closed up to there
            adam=dict(steps=100, rate=1e-3, signals=32),
            other_steps=(),
            quantiser_steps=(),
            arms={
                "dense": dict(method="dense"),
                "MSCN, delta": dict(method="gates", change=dict(model=dict(sparsity="gates"))),
                "MSCN, all": dict(
                    method="gates",
                    # Gates on theta0 itself feel far steeper gradients than gates on an update:
                    # at a hundred times these steps it collapses, at a hundredth they don't move.
                    change=dict(
                        model=dict(
                            sparsity="gates",
                            target="all",
                            gate_step_size=0.02,
                            initial_open=0.99,
                            floor=0.0,
                        ),
                        optimizer=dict(gate_rate=0.05),
                    ),
                ),
                "one-shot magnitude": dict(
                    method="prune",
                    score="magnitude",
                    rounds=1,
                    change=dict(model=dict(sparsity="mask", target="all")),
                ),
                "iterative magnitude": dict(
                    method="prune",
                    score="magnitude",
                    rounds=0,
                    change=dict(model=dict(sparsity="mask", target="all")),
                ),
                "random": dict(
                    method="prune",
                    score="random",
                    rounds=1,
                    change=dict(model=dict(sparsity="mask", target="all")),
                ),
                "one mask of updates": dict(
                    method="prune",
                    score="update",
                    rounds=1,
                    change=dict(model=dict(sparsity="mask", target="delta")),
                ),
                "dense, narrow": dict(method="narrow"),
                "scratch": dict(method="scratch"),
            },
            log_every=200,
            evaluate_every=200,
            checkpoint_every=200,
        )
    )
    if size == "paper":
        config.title = "Faces of 178x178, SIREN 256x4, all weights adapted"
        config.update(steps=150_000, batch=3, log_every=1000, checkpoint_every=5000)
        config.model.update(width=256, depth=4, w0=200.0, steps=2)
        config.optimizer.rate = 1e-5
        config.data.update(edge=178)
        config.adam.update(rate=1e-4)
    elif size != "cpu":
        raise ValueError(f"{size}: there are cpu and paper")
    return config
