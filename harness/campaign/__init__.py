"""Campaigns: from a scenario and a seed to judged runs, one or many, and the same one again."""
