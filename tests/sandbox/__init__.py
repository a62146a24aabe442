"""The sandbox provider, held against the published response bodies, botocore and frame arithmetic."""
