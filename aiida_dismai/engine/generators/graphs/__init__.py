"""Periodic graphs as the graph networks use them: batches, edges, triplets, in plain torch on any device.

``batch`` holds several structures in one set of tensors; ``edges`` finds who is near whom, with all periodic images;
``triplets`` pairs edges that meet; ``scatter`` sums over them; ``lattice`` turns lengths and angles into cells and
finds nearest images; ``bonds`` takes the edges from CrystalNN instead of a radius. Nothing here needs torch-scatter,
torch-sparse, torch-cluster or pyg-lib.
"""
