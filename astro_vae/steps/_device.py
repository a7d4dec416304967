"""Choose where a training runs, and in which arithmetic.

Lightning takes seconds to import, and only a training needs it.
"""

from __future__ import annotations

import contextlib
import logging
import platform
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from astro_vae.errors import UserError
from astro_vae.settings import ExecutionSettings

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def open_fabric(module: nn.Module, precision: str, execution: ExecutionSettings) -> Fabric:
    """Return the device and arithmetic for training `module`.

    Autocasting to 16 bits speeds up convolutions where the processor has units for it. It slows down large
    fully connected layers on a processor, since their weights are cast at every step; there the matrix
    products alone use 16 bits, which `matmul_precision` allows.

    Raises
    ------
    UserError
        If a GPU is asked for and there is none.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it would announce its precision
    has_gpu = torch.cuda.is_available()
    if execution.device == "cuda" and not has_gpu:
        raise UserError("execution.device is 'cuda', but torch finds no GPU here; set it to 'auto' or 'cpu'")
    on_gpu = has_gpu and execution.device != "cpu"
    convolutional = any(parameter.ndim > 2 for parameter in module.parameters())
    mixed = precision == "bf16-mixed" and (torch.cuda.is_bf16_supported() if on_gpu else convolutional and _has_bf16())
    # One process on one device: Fabric must not read the environment of a cluster's job, and where only the
    # cluster's commands are installed, as on a login node, it would warn of them.
    return Fabric(
        accelerator="cuda" if on_gpu else "cpu", devices=1, precision="bf16-mixed" if mixed else "32-true",
        plugins=LightningEnvironment(),
    )


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Let matrix products of 32-bit numbers use bf16 units within the context, unless `precision` forbids it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if precision == "32-true" else "medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def ran_on(fabric: Fabric) -> dict[str, str | int]:
    """Say what a training runs on: what its last digits depend on."""
    import lightning_fabric

    on_gpu = fabric.device.type == "cuda"
    name = torch.cuda.get_device_name(fabric.device) if on_gpu else _processor().get("cpu_name", platform.machine())
    return {
        "device": fabric.device.type, "device_name": name, "threads": torch.get_num_threads(),
        "precision": str(fabric.strategy.precision.precision), "matmul": torch.get_float32_matmul_precision(),
        "python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
        "lightning_fabric": lightning_fabric.__version__,
    }


def _has_bf16() -> bool:
    """Tell whether this processor multiplies bf16 numbers itself; without it bf16 is slower than 32 bits."""
    return any(_processor().get(name, False) for name in ("amx_bf16", "avx512_bf16", "arm_bf16", "bf16"))


def _processor() -> dict[str, Any]:
    """Return what torch knows of the processor; nothing in versions that do not ask."""
    return getattr(torch.cpu, "get_capabilities", dict)()
