"""Reports of results: ``collect`` gathers plain data from nodes, the other modules show it.

``table`` prints it in the terminal, ``export`` writes JSON and CSV, ``plots`` draws, ``html`` puts all on one
self-contained page; ``progress`` reads the progress files of jobs.
"""
