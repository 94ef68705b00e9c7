"""From what a generator leaves to metrics, a table of structures and a page, without AiiDA: ``dismai evaluate``.

``command`` is the command line, ``course`` the tasks with estimates of their time, ``listing`` the table with a row for
each structure, ``relaxed`` writes what was relaxed under the names of the files given.
"""
