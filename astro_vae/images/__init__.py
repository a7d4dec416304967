"""What is particular to a two-dimensional image: what a network sees of it, measures, transforms, pictures.

Images are arrays (H, W) in the order of FITS: row 0 is South and columns run towards West, so that they
show North up and East left when drawn with their origin below.
"""
