"""Signed reports of a period: the document, its signature and key, and where signed ones are kept."""
