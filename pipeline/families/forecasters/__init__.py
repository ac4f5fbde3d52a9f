"""Forecasters of a time series, trained on the pinball loss."""
