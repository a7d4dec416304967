"""What is particular to a one-dimensional spectrum: what a network sees of it, measures, transforms, pictures.

In hand, spectra on common bins are arrays (B, 2, L): flux density, and its inverse variance, which is 0 where
a bin has no valid value. As a survey hands it over, a spectrum is a `Spectrum`.
"""
