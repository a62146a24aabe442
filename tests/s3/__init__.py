"""What only a server that enforces can show: run by ``make test-s3``, on LocalStack's S3."""
