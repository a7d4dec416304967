"""Speeds as ratios of two ways of doing the same within one run; `make bench` prints them."""
