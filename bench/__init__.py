"""What we measure, on the test node, beside the same figures of KServe (measured there too).

Belongs here: the measurements and their reports under `results/`. Nothing here is a test: a slow machine fails nothing.
The installation and the storage come from `e2e`.
"""
