"""Workloads: what clients do, and what it must satisfy. One file each; `catalogue` knows them by name."""
