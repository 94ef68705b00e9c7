"""The training loop that the graph models share.

``parameters`` holds what a model's hyper-parameters inherit, ``problem`` what a model gives to the loop and gets back,
``randomness`` the random streams, ``loop`` the epochs and their checkpoints, ``objective`` a batch's losses at the
precision asked for, ``memory`` the search for a batch size and errors of memory, ``workers`` several devices through
Lightning.
"""
