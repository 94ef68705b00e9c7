"""Generative models as plug-ins: the frame that trains, stores and samples any registered one.

``registry`` finds the models by the entry-point group ``dismai.generators``; ``contract`` says what a
model must give; ``weights`` reads and writes the folder of a trained model; ``run`` holds the tasks
``generator.train`` and ``generator.sample``; each built-in model has a folder of its own.
"""
