"""Active learning: which structures a potential should be trained on next."""
