"""What the diffusion models on images (CrysTens) and on videos (UniMat) share: U-Nets and their diffusion.

``layers``, ``attention``, ``temporal`` and ``blocks`` hold the parts of the networks, ``networks`` the three networks
with the published names of their weights, ``published`` takes over published weights. ``diffusion`` has the formulas.

A model makes :class:`~.denoising.Pictures` of its structures (a function that encodes fractional coordinates, the
coordinates, the :class:`~.augmentation.Shuffles`) and for each network a :class:`~.denoising.Denoising` (or
``DenoisingBesideSmall``); ``training.steps.fit_steps`` trains these one after another and gives the averaged weights
of each. To generate, :func:`~.sampling.build` makes a network of weights, ``sampling.groups`` gives each group of
structures its noise, ``diffusion.denoise`` (or ``sampling.beside_small``) turns that into pictures in [−1, 1].
Hyper-parameters inherit ``parameters.UNetParameters``.
"""
