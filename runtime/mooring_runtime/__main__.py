"""`python -m mooring_runtime` is `mooring-runtime`."""

import sys

from mooring_runtime.cli import main

sys.exit(main())
