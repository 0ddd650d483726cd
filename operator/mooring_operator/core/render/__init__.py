"""From a blueprint to Kubernetes manifests: plain dicts, total, deterministic, compared with golden files.

Nothing is written that the API server would spell differently, so that what was applied equals what is read back.
Does not belong here: decisions about whether something may run (see `checks`, `spec_checks`, `placement`), statuses.
"""
