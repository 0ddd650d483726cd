"""User code written for KServe: the modules that are imported under its names, and how its models are run."""
