"""``result.json``: what a benchmark got, with checksums of all that it was computed from; the leaderboard shares it.

``fields`` are what shared files name people, files and checksums by, ``result`` is the format, ``make`` fills it.
"""
