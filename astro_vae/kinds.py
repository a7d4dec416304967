"""Say which rooms belong to a kind of data; the only place that knows both images and spectra."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from astro_vae.errors import UserError

KINDS = {"image": "astro_vae.images", "spectrum": "astro_vae.spectra"}
"""The package of each kind; every package has the same modules, with the same functions."""


@dataclass(frozen=True)
class Kind:
    """The rooms of one kind of data, imported when they are first used.

    Attributes
    ----------
    name : str
    package : str
        Dotted name of the package that holds the modules below.
    """

    name: str
    package: str

    @property
    def cut(self) -> ModuleType:
        """What of a candidate is stored, and when it is refused."""
        return self._module("cut")

    @property
    def twins(self) -> ModuleType:
        """Which objects show the same field, where no positions say so."""
        return self._module("twins")

    @property
    def view(self) -> ModuleType:
        """From stored values to what a network sees."""
        return self._module("view")

    @property
    def orient(self) -> ModuleType:
        """The orientations in which an object is looked at."""
        return self._module("orient")

    @property
    def fit(self) -> ModuleType:
        """How far objects are from what a model makes of them."""
        return self._module("fit")

    @property
    def residuals(self) -> ModuleType:
        """Where objects differ from what a model makes of them."""
        return self._module("residuals")

    @property
    def measure(self) -> ModuleType:
        """Noise, fluxes and sizes of one object.

        `trivial` turns a table of them into scores of strangeness that need no model: a higher one is stranger, and
        it is NaN where nothing was measured.
        """
        return self._module("measure")

    @property
    def traits(self) -> ModuleType:
        """What generated objects are held against real ones by."""
        return self._module("traits")

    @property
    def judge(self) -> ModuleType:
        """From generated and real objects to what the judge of samples sees."""
        return self._module("judge")

    @property
    def diagnose(self) -> ModuleType:
        """The same, of what a model makes of objects."""
        return self._module("diagnose")

    @property
    def augment(self) -> ModuleType:
        """Draw transforms of objects and carry them out."""
        return self._module("augment")

    @property
    def examples(self) -> ModuleType:
        """From objects and transforms to what a network sees."""
        return self._module("examples")

    @property
    def export(self) -> ModuleType:
        """Generated objects in files that others read."""
        return self._module("export")

    @property
    def draw(self) -> ModuleType:
        """Pictures of objects."""
        return self._module("draw")

    def _module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self.package}.{name}")


def kind(name: str) -> Kind:
    """Return the kind of that name, or raise a `UserError` that lists the known ones."""
    if name not in KINDS:
        raise UserError(f"'{name}' is no kind of data; known: {', '.join(sorted(KINDS))}")
    return Kind(name, KINDS[name])
