"""The functional core: what must be, from what is. `decide.decide(observed, settings, now)` is its one entry.

Pure: no input/output, no clock, no environment, no randomness, no kopf and no Kubernetes client (the import contracts
in pyproject.toml hold this). Values go in (`observed`), values come out (`plan`); the shell watches and writes.

Does not belong here: anything that awaits, and anything that remembers.
"""
