"""Relaxation while learning: thousands of candidate structures, and their convex hull."""
