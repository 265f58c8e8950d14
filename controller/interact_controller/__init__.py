"""The one process that reconciles; this version only says which it is."""

__version__ = "0.1.0"
