"""The index of the bucket and of all work: ``interface`` is the port, ``sql`` the adapter."""
