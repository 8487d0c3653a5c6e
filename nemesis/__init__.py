"""Nemeses: when faults happen, and to whom. How a fault is done is the world's business.

One file per kind of fault; `package` composes them; `catalogue` knows them by name.
"""
