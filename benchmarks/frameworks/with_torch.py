"""The same in PyTorch, as the methods' authors wrote it: eager, by automatic differentiation.

COIN++ and functa adapt all pictures of a batch together; Meta-SparseINR goes through a batch
picture by picture. Encoding builds no graph for a second derivative.
"""

from __future__ import annotations

from typing import Callable

import numpy as np
import torch

from benchmarks.frameworks.cases import Case

VERSION = torch.__version__
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def set_threads(count: int) -> None:
    """Limits the threads; to be called before anything is computed."""
    torch.set_num_threads(count)


def steps(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[int], dict]]:
    """``train``, ``encode``, ``decode`` and ``compiled``, which decodes too.

    Each goes from the number of a batch to named tensors on `DEVICE`.
    """
    tensors = {name: torch.from_numpy(array).to(DEVICE) for name, array in arrays.items()}
    batches, points = tensors.pop("pictures"), tensors.pop("coordinates")
    trained = {k: v for k, v in tensors.items() if k != "step_sizes" or case.own_steps}
    for tensor in trained.values():
        tensor.requires_grad_()
    layers = range(case.layers)

    def modulated(code: torch.Tensor) -> torch.Tensor:
        """Values [B, N, C] of codes [B, M]."""
        shifts = code @ tensors["map"] if case.modulation == "latent" else code
        shifts = shifts.split(case.width, dim=1)
        x = points.expand(len(code), -1, -1)
        for i in layers:
            x = torch.nn.functional.linear(x, tensors[f"kernel_{i}"].T, tensors[f"bias_{i}"])
            if i < layers[-1]:
                x = torch.sin(case.w0 * (x + shifts[i][:, None]))
        return x + 0.5

    def own(parameters: list[torch.Tensor]) -> torch.Tensor:
        """Values [N, C] of one picture's own kernels and biases."""
        x = points
        for i in layers:
            x = torch.nn.functional.linear(x, parameters[2 * i].T, parameters[2 * i + 1])
            if i < layers[-1]:
                x = torch.sin(case.w0 * x)
        return x + 0.5

    def fit(pictures: torch.Tensor, second_order: bool) -> torch.Tensor:
        code = torch.zeros(len(pictures), case.code_size, device=DEVICE, requires_grad=True)
        for _ in range(case.steps):
            loss = torch.square(modulated(code) - pictures).mean() * len(pictures)
            (gradient,) = torch.autograd.grad(loss, code, create_graph=second_order)
            code = code - tensors["step_sizes"] * gradient
        return code

    def fit_weights(picture: torch.Tensor, second_order: bool) -> list[torch.Tensor]:
        parameters = [tensors[f"{kind}_{i}"] for i in layers for kind in ("kernel", "bias")]
        for _ in range(case.steps):
            loss = torch.square(own(parameters) - picture).mean()
            gradients = torch.autograd.grad(loss, parameters, create_graph=second_order)
            pairs = zip(parameters, gradients)
            parameters = [p - case.step_size * gradient for p, gradient in pairs]
        return parameters

    def train(number: int) -> dict[str, torch.Tensor]:
        pictures = batches[number]
        if case.modulation == "weight":
            loss = torch.zeros([], device=DEVICE)
            for picture in pictures:
                loss = loss + torch.square(own(fit_weights(picture, True)) - picture).mean()
            loss = loss / len(pictures)
        else:
            loss = torch.square(modulated(fit(pictures, True)) - pictures).mean()
        gradients = torch.autograd.grad(loss, list(trained.values()))
        return {"loss": loss.detach(), **dict(zip(trained, gradients))}

    def encode(number: int) -> dict[str, torch.Tensor]:
        pictures = batches[number]
        if case.modulation != "weight":
            return {"code": fit(pictures, False).detach()}
        start = torch.cat([tensors[f"{k}_{i}"].ravel() for i in layers for k in ("kernel", "bias")])
        fitted = [torch.cat([p.ravel() for p in fit_weights(p, False)]) for p in pictures]
        return {"code": (torch.stack(fitted) - start).detach()}

    def decoded(codes: torch.Tensor) -> torch.Tensor:
        """As `modulated`, but picture by picture where all weights differ."""
        if case.modulation != "weight":
            return modulated(codes)
        shared = [tensors[f"{kind}_{i}"] for i in layers for kind in ("kernel", "bias")]
        updates = [code.split([p.numel() for p in shared]) for code in codes]
        pairs = [zip(shared, update) for update in updates]
        return torch.stack([own([p + part.view_as(p) for p, part in pair]) for pair in pairs])

    codes = [torch.from_numpy(batch).to(DEVICE) for batch in case.codes()]

    def decoder(function: Callable) -> Callable[[int], dict[str, torch.Tensor]]:
        def decode(number: int) -> dict[str, torch.Tensor]:
            with torch.inference_mode():
                return {"values": function(codes[number])}

        return decode

    tasks = {"decode": decoder(decoded), "compiled": decoder(torch.compile(modulated))}
    return {"train": train, "encode": encode, **tasks}


def on_host(results: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Copies from the device."""
    return {name: tensor.cpu().numpy() for name, tensor in results.items()}


def build(case: Case, arrays: dict[str, np.ndarray]) -> dict[str, Callable[[int], dict]]:
    """As `steps`, with the results copied to the host."""

    def run(step: Callable[[int], dict]) -> Callable[[int], dict]:
        return lambda number: on_host(step(number))

    return {name: run(step) for name, step in steps(case, arrays).items()}
