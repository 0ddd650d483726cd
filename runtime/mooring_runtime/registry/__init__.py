"""The models of a server: where they come from, which are there, and when they are ready."""
