"""Call logs: listed per window, kept in the bucket as write-once parts per UTC day, read back as the union of them."""
