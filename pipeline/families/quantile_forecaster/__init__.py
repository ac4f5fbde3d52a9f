"""Quantile forecasters of a time series."""
