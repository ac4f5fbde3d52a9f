"""The gates that a surrogate has to pass to become champion: a file each, found by `catalog`."""
