"""Archives of whole provenance graphs.

``graph`` chooses the nodes; ``licence`` keeps licensed files of DFT codes out, ``private`` lists people, paths and what
looks secret (``texts`` and ``unpacking``: where both look). ``verify`` checks an archive in an empty temporary profile,
``opening`` imports it into a new one (each in a process of its own), ``rerun`` says before what would be executed.
``commands`` and ``open`` are what the user calls.
"""
