"""One machine without a cluster: the operator's own core, with pods that are processes.

`up` composes it. `objects` holds the objects as an API server would, `cluster` is the `ports.Cluster` over them,
`rollout` and `deployments` turn Deployments into pods, `pods`, `containers` and `process` run them, `volumes`, `images`
and `loopback` give them folders, commands and ports, `proxy` stands for Services and Ingresses, `manifests` and `files`
for `kubectl apply`, `control` and `client` for the rest of kubectl.

Does not belong here: any rule about InferenceServices or TrainedModels (that is `decide`), kopf, the Kubernetes client.
"""
