"""The store for many agents: ClickHouse, one server or a cluster, over its HTTP interface."""
