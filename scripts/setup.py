"""`make setup`: fetch and build everything that Impasto needs to run, be tested and be demonstrated.

Needs only Python and pip. Every download is pinned by sha256; what is complete is left alone, so a
second run is instant and needs no network.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 (older Pythons read this file too, and are told)
    sys.exit("error: Python 3.10 or newer is needed, this is " + sys.version.split()[0])

from provision.main import main

if __name__ == "__main__":
    sys.exit(main())
