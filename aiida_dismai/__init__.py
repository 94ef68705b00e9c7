"""Dismai-Bench as provenance-tracked AiiDA workflows.

The package has two halves: everything but :mod:`aiida_dismai.engine` runs on the AiiDA host
and never imports torch; :mod:`aiida_dismai.engine` is the science, runs on the compute node
and never imports aiida.
"""

__version__ = "0.1.0"
