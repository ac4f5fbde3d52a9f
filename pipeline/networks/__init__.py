"""Where network families used to live; they are under `pipeline.families` now."""
