"""What a gate may ask: a metric a file, found by `pipeline.evaluation.gates.catalog`."""
