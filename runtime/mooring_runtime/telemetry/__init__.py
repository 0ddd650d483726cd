"""What a server tells of itself beside its metrics: lines of the log, spans, statistics, and when its loop stands."""
