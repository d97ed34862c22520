"""The API, version 6: thin handlers, one file a resource."""
