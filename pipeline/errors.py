"""Every error that this project raises on purpose.

Each message names the field, the value that was received and what would do. The classes derive from the built-in
exception that fits, so that callers may catch either.
"""


class SweepError(Exception):
    """Root of all errors of this project."""


class ConfigurationError(SweepError, ValueError):
    """A setting is missing, unknown or out of its range (params.yaml, a preset, a keyword)."""


class DataError(SweepError, ValueError):
    """A data set cannot be used as it is: wrong shape, NaN or Inf, empty, a column that is missing."""


class HyperparameterError(SweepError, ValueError):
    """A hyperparameter value lies outside the anchors, or is no anchor where one is needed."""


class BundleError(SweepError, RuntimeError):
    """Files on disk that make up a harvest, a network or a surrogate are missing, corrupted or of another version."""


class FitError(SweepError, RuntimeError):
    """A fit did not end finite."""


class SpaceError(SweepError, OSError):
    """The disk has too little room."""


class RegistryError(SweepError, RuntimeError):
    """The model registry holds something other than what was asked for."""
