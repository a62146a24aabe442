"""What a run tells systems that watch many jobs: metrics, pings, traces. None of it can fail or hold up a run."""
