"""KServe's public helpers for models, at KServe's import paths. Nothing of the runtime itself belongs here."""
