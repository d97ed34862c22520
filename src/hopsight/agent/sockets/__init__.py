"""Sockets of the system, and what the kernel is asked through them."""
