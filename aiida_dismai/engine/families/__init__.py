"""Families of structures, found by the entry-point group ``dismai.families``: a folder each.

``contract`` says what a family gives, ``registry`` finds those that are installed.
"""
