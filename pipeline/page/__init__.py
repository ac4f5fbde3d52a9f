"""A page on which a person moves λ: one file that works offline, or a local server that answers for any condition."""
