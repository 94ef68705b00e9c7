"""Reports of results: ``collect`` gathers a report (``content``) from nodes, the other modules show it.

``table`` prints it in the terminal, ``export`` writes JSON and CSV, ``html`` puts all on one self-contained page with
the charts of ``plots``. What belongs to one family of structures only, it brings itself: ``family`` is the base class,
``parts`` are the shapes of what it gives, ``families`` those of the package.
"""
