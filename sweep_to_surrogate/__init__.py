"""The one command line, `sweep-to-surrogate`: runs, stages, and what consumers of a surrogate ask."""
