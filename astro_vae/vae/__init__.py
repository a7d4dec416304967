"""Variational autoencoders, free of astronomy.

Letters of shapes: B batch, D data dimensions (all of `shape` together), K latents, S samples, C labels. Data `x` are
(B, *shape) floats, labels (B,) integers with -1 for unknown, weights (B, *shape) inverse variances times mask or None.
Log-probabilities are natural, per object, summed over data and latent dimensions, with all constants.
"""
