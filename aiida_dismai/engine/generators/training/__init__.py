"""The training that models share.

``epochs`` is the frame of any training: checkpoints, progress, curves; ``parameters`` holds what hyper-parameters
inherit. For graph models ``loop`` is one optimiser with a plateau schedule, ``problem`` what a model gives to it and
gets back, ``randomness`` the random streams, ``objective`` a batch's losses at the precision asked for, ``memory`` the
search for a batch size and errors of memory, ``workers`` several devices through Lightning.
"""
