"""The contracts: what two Mooring processes say to each other, and the words of the public v2 protocol.

Belongs here: the custom resource types (`v1beta1`, `v1alpha1`), the model list that the operator writes and the agent
reads (`model_config`), the agent's status document (`agent_status`), shared object, label and path names (`names`), the
v2 vocabulary (`v2`), and the values both sides must read alike (`quantity`, `storage_uri`).

Does not belong here: behaviour of one component, input/output, clocks, or any dependency but pydantic.
"""
