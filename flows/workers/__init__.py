"""Where a stage runs: on a pool's workers, on a cluster of Dask or Ray, in a clone of its own."""
