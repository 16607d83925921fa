"""What `make device-check` needs where there is no make, network or cargo."""
