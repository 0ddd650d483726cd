"""gRPC v2 over the data plane: messages in a private pool, reading and writing them, one table of status codes.

`oip.proto` is the source; `python -m mooring_runtime.grpc_api.generate` writes `oip.binpb` from it (needs
grpcio-tools).
"""
