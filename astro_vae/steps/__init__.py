"""The steps from candidates to a trained model: paths and settings in, one file out."""
