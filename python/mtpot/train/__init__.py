"""Training: settings, loss, solvers, errors and the report."""
