"""The agent: keeps one pod's models as models.json says.

```
config_source -> sync -> one worker per model -> storage (download) -> disk (stage, swap) -> runtime_client (load)
                   ^                                                                              |
                   +---- runtime_watch (models that the server lost) <----------------------------+
status <- every worker;  server: GET /v1/agent/models, /readyz, /healthz, /metrics
```

Belongs here: following the model list, fetching files, calling the model server's repository API, telling how it went.
`plan` is pure; what awaits or touches the disk is in the modules around it. `initializer` is the same fetching as an
init container. Does not belong here: Kubernetes clients, serving, anything of the operator.
"""
