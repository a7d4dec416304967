"""What the summary says of a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from astro_vae.report.measures import flat
from astro_vae.report.summary import _against_references


@pytest.mark.parametrize(("error", "said"), [
    (0.5, "4.0 times better than"), (4.0, "2.0 times worse than"), (1.99, "as well as"),
])
def test_a_model_is_better_or_worse_than_the_mean_image(error: float, said: str) -> None:
    chosen: Any = SimpleNamespace(name="cvae", settings={}, metrics={}, is_linear=False)
    measures = flat({"test": {"mse": {"mean": error}, "mse_mean_image": {"mean": 2.0}}})
    (line,) = _against_references(cast(Any, SimpleNamespace(models=[chosen])), chosen, measures)
    assert line.startswith(f"cvae reconstructs {said} the mean image (")


@pytest.mark.parametrize(("error", "said"), [
    (3.0, "1.5 times smaller"), (1.0, "2.0 times larger"), (2.02, "the same within 5 %"),
])
def test_a_network_is_compared_with_each_linear_model_by_its_kind(error: float, said: str) -> None:
    chosen: Any = SimpleNamespace(name="cvae", settings={"latents": 6}, metrics={}, is_linear=False)
    other: Any = SimpleNamespace(
        name="n6", settings={"latents": 6, "type": "nmf"}, metrics={"test": {"mse": {"mean": error}}}, is_linear=True
    )
    measures = flat({"test": {"mse": {"mean": 2.0}}})
    (line,) = _against_references(cast(Any, SimpleNamespace(models=[chosen, other])), chosen, measures)
    assert line.startswith(f"Against non-negative factors of as many latents (n6) its error is {said} (2.00 against")
