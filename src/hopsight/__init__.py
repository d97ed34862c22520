"""Hopsight: endpoint network monitoring that an organization runs itself."""

__version__ = "0.1.0"
