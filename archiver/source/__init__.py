"""The voice API that recordings come from: ``interface`` is the port, ``voice_api`` the adapter."""
