"""Archives of whole provenance graphs.

``graph`` chooses the nodes, ``licence`` keeps licensed files of DFT codes out, ``verify`` checks an archive in an empty
temporary profile (run in a process of its own), ``commands`` is what the user calls.
"""
