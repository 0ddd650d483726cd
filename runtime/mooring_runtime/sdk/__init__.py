"""User code written for KServe: how its imports are found, and how its models are run."""
