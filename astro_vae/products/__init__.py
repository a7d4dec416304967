"""What an astronomer takes away from a trained model: prior, latents, samples, rankings, tables, pictures."""
