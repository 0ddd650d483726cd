"""What serving a request costs, here and in the server that people move from: `make bench-runtime`.

Belongs here: the servers that are compared, the load on them, the page. Both sides run in one go on one machine, with
the same image, weights and number of threads; `programs/` holds what the servers run. The load comes from `hey` (Go, a
process of its own).
"""
