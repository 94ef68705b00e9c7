"""What the diffusion models on images (CrysTens) and on videos (UniMat) share: U-Nets and their diffusion.

``layers``, ``attention``, ``temporal`` and ``blocks`` hold the parts of the networks, ``networks`` the three networks
with the published names of their weights.
"""
