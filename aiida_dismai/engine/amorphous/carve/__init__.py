"""The task ``amorphous.carve``: periodic cells cut out of a large amorphous one.

``large`` looks at the large cell, ``plan`` says which window becomes which structure, ``windows`` picks the atoms of a
window, ``seam`` makes it periodic, ``run`` is the task.
"""
