"""Our own API, ``/hopsight/v1``, in JSON: what version 6 has no place for. One file a resource."""
