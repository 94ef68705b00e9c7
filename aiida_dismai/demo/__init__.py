"""The demo: the whole benchmark once, small, in a profile of its own inside the project.

``profile`` makes the profile, the computer, the codes and the stand-in potentials; ``watch`` follows a
process in the terminal; ``results`` writes what the demo leaves behind; ``__main__`` runs it all.
"""
