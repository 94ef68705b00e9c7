"""The published record of the benchmark: found out by names, imported, and computed again.

``layout`` says what lies where, ``importing`` stores its data sets, ``computing`` measures its generated structures and
``tables`` sets them beside the published numbers; ``commands`` is what the user calls.
"""
