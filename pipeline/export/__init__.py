"""Exports: a surrogate as ONNX graphs and JSON, and a reader that needs no torch."""
