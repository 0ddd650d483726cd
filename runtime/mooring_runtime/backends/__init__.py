"""The models that the runtime brings along: from files in a folder to something that turns tensors into tensors.

Belongs here: telling what a folder holds, loading it safely, and running it in a thread of the caller's. Does not
belong here: queues, transports, event loops. Only `torch_setup` and what is loaded on demand import torch, so that the
server listens before torch is there.
"""
