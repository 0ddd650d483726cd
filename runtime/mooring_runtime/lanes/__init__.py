"""Where requests wait for a model that computes: queues, batches, threads and CPUs."""
