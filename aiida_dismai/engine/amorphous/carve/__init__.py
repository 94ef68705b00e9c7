"""The task ``amorphous.carve``: periodic cells cut out of a large amorphous one.

``geometry`` says whether windows fit into the large cell, ``large`` looks at its atoms, ``plan`` says which window
becomes which structure, ``windows`` picks the atoms of a window, ``seam`` makes it periodic, ``anneal`` lets the seam
grow together, ``run`` is the task.
"""
