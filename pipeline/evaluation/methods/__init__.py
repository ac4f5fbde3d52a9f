"""The methods that validation compares: a file each, found by `catalog`."""
