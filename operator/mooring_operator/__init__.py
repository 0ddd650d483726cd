"""Turns InferenceServices, ServingRuntimes and TrainedModels into Kubernetes objects and true statuses.

A functional core in an imperative shell. Pure (no input/output, no clock, no environment): `observed`, `plan`,
`decide`, `checks`, `conditions`, `placement`, `render`. Shell: `handlers` (what kopf sees rings a bell), `workqueue`,
`store`, `reconcile`, `cluster`, `agents`, `operate`, `main`. `local` runs the same core on one machine without a
cluster.

Does not belong here: downloading, serving, torch, any storage SDK.
"""
