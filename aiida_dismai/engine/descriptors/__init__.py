"""What describes a single structure: fingerprints of sites, motifs, radial distribution, bond angles, composition.

Plain functions without files and parameters, which the metrics of the families and the amorphous structures share.
"""
