"""REST v1 and v2 over the data plane: reading and writing bodies, one table of statuses. No behaviour of models."""
