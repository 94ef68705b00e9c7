"""Calcfunctions: the small steps between the jobs, so that the graph shows them too."""
