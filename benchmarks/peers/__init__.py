"""Side by side with the peers: one environment a peer, arms alternating, speed beside correctness."""
