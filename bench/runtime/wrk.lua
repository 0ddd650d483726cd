-- wrk -s wrk.lua URL -- BODY-FILE [NAME VALUE]...: posts the file's bytes with these headers.
-- The last line that is printed holds the counts and times (microseconds) that bench/runtime/wrk.py reads.

function init(args)
  local file = assert(io.open(args[1], "rb"))
  wrk.method = "POST"
  wrk.body = file:read("*a")
  file:close()
  for i = 2, #args, 2 do
    wrk.headers[args[i]] = args[i + 1]
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    "mooring answers=%d status=%d connect=%d read=%d write=%d timeout=%d duration=%d p50=%d p99=%d\n",
    summary.requests, errors.status, errors.connect, errors.read, errors.write, errors.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
