"""The system under test (a Raft cluster of our own) and the worlds it runs in."""
