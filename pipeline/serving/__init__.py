"""The serving interface: data frames in, data frames out."""
