"""Acceptance runs: long, resumable, with results outside the clone; `make acceptance` runs them all."""
