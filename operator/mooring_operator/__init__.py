"""Turns InferenceServices, ServingRuntimes and TrainedModels into Kubernetes objects and true statuses.

A functional core in an imperative shell. `core` is pure: values in, a plan out. The shell: `handlers` (what kopf sees
rings a bell), `store`, `workqueue`, `reconcile`, `cluster`, `agents`, `operate`, `main`. `local` runs the same core and
the same loop on one machine without a cluster.

Does not belong here: downloading, serving, torch, any storage SDK.
"""
