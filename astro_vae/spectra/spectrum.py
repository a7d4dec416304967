"""One spectrum as its survey gives it, and the steps from there to the rest frame in vacuum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

LIGHT_KMS = 299_792.458


@dataclass(frozen=True)
class Spectrum:
    """Flux density by wavelength, as measured.

    Attributes
    ----------
    wave_aa : ndarray, shape (n,)
        Growing wavelengths of the pixels' centres, Angstrom; as observed, unless `at_rest`.
    flux : ndarray, shape (n,)
        Per unit of wavelength.
    ivar : ndarray, shape (n,)
        Inverse variance of the flux; 0 where there is no valid value.
    in_air : bool
        The wavelengths are those in air, not in vacuum.
    """

    wave_aa: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    in_air: bool = False

    def tobytes(self) -> bytes:
        """Return the bytes of wavelengths and flux, as an array does: equal where spectra are."""
        return self.wave_aa.tobytes() + self.flux.tobytes()

    def cleaned(self) -> Spectrum:
        """Return it in double precision, without weight and with zero flux where a value is not finite."""
        flux, ivar = self.flux.astype(np.float64), self.ivar.astype(np.float64)
        valid = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
        return replace(
            self, wave_aa=self.wave_aa.astype(np.float64), flux=np.where(valid, flux, 0), ivar=np.where(valid, ivar, 0)
        )

    def masked(self, bad: np.ndarray) -> Spectrum:
        """Return it without weight where `bad` (n,)."""
        return replace(self, ivar=np.where(bad, 0, self.ivar))

    def in_vacuum(self) -> Spectrum:
        """Return it with wavelengths in vacuum."""
        return replace(self, wave_aa=air_to_vacuum(self.wave_aa), in_air=False) if self.in_air else self

    def without_extinction(self, ebv: float, law: str, r_v: float) -> Spectrum:
        """Return it as it would be without the Galaxy's dust; wavelengths must be as observed, in vacuum.

        Pixels at wavelengths that the law does not know lose their weight.

        Parameters
        ----------
        ebv : float
            Colour excess E(B-V), mag.
        law : {"F99", "CCM89"}
            Fitzpatrick (1999, PASP 111, 63) or Cardelli, Clayton & Mathis (1989, ApJ 345, 245).
        r_v : float
            A(V) / E(B-V).
        """
        from astropy import units
        from dust_extinction import parameter_averages

        model = getattr(parameter_averages, law)(Rv=r_v)
        known = (1e4 / self.wave_aa >= model.x_range[0]) & (1e4 / self.wave_aa <= model.x_range[1])
        kept = np.ones(len(self.wave_aa))
        kept[known] = model.extinguish(self.wave_aa[known] * units.AA, Ebv=ebv)
        return replace(self, flux=self.flux / kept, ivar=np.where(known, self.ivar * kept**2, 0))

    def at_rest(self, redshift: float) -> Spectrum:
        """Return it in the rest frame; the flux between any two wavelengths stays what it was."""
        stretch = 1 + redshift
        return replace(
            self, wave_aa=self.wave_aa / stretch, flux=self.flux * stretch, ivar=self.ivar / stretch**2
        )


def air_to_vacuum(wave_aa: np.ndarray) -> np.ndarray:
    r"""Return vacuum wavelengths (Angstrom) of wavelengths in standard air.

    With Ciddor's (1996, Applied Optics 35, 1566) index of refraction,

    .. math:: n = 1 + \frac{0.05792105}{238.0185 - s^2} + \frac{0.00167917}{57.362 - s^2},
        \quad s = 10^4 \AA / \lambda_{vac}

    by three rounds of substitution. Below 2000 Angstrom, where spectra are always in vacuum, nothing is changed.
    """
    vacuum = wave_aa.astype(np.float64)
    for _ in range(3):
        s2 = (1e4 / np.maximum(vacuum, 2000)) ** 2
        vacuum = wave_aa * (1 + 0.05792105 / (238.0185 - s2) + 0.00167917 / (57.362 - s2))
    return np.where(wave_aa < 2000, wave_aa, vacuum)
