"""Moves call recordings from a voice API that forgets them into a bucket that keeps them.

What goes in: the recordings report of a CPaaS voice API, whose audio links die within the hour.
What comes out: in your bucket, per recording, the bytes as served and a vCon sidecar that says how they were proved.
What is never done: calling a recording archived before its audio was judged and both objects lie in the bucket;
overwriting anything; keeping a link or a token.

Where to start reading: ``rules/lifecycle.py`` (what can become of a recording), ``pipeline.py`` (the way of one
recording), ``runner.py`` (a run over many).
"""

__version__ = "0.1.0"
