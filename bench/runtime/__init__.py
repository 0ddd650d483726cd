"""What serving a request costs, here and in the servers that people move from: `make bench-runtime`.

Belongs here: the servers that are compared, the load on them, the page. All sides run in one go on one machine, with
the same inputs, weights and number of threads; `programs/` holds what the servers run. The load comes from processes of
their own: `wrk` for REST, `ghz` for gRPC.
"""
