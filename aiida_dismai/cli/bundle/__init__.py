"""Bundles: a data set as a folder that can be uploaded as it is, and back into AiiDA.

``manifest`` is what a bundle says of itself, ``people`` who may be named in it. ``write`` fills the folder (``texts``
and ``crate`` write what is for readers and for machines), ``read`` checks one, ``unpack`` gets it out of a zip file or
from a web address. ``commands`` is what the user calls.
"""
