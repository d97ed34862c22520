"""Alerts: rules held against every round, and one incident for all agents that share a cause.

``evaluation`` and ``causes`` and ``incidents`` are functions over numbers; ``engine`` asks the store.
"""
