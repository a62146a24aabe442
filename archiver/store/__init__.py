"""The customer's bucket: ``interface`` is the port; ``s3``, ``directory`` and ``memory`` are adapters."""
