"""The training that models share.

``epochs`` is the frame of any training: checkpoints, progress, curves; ``parameters`` holds what hyper-parameters
inherit. ``descent`` takes steps of Adam and validates; ``loop`` is what a graph model does with it, epochs with a
plateau schedule, and ``steps`` what a diffusion on images does, steps with an average of the weights, of one network
after another in the frame of ``intervals``. ``problem`` is what a model gives to them and gets back, ``randomness`` the
random streams, ``objective`` a batch's losses at the precision asked for, ``memory`` the search for a batch size and
errors of memory, ``workers`` several devices through Lightning, ``average`` the moving average.
"""
