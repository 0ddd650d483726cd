"""`python -m mooring_runtime` is `mooring-runtime`."""

from mooring_runtime.cli import main

main()
