"""The leaderboard: a folder of result files with the structures behind them, checked, and made into a static site.

``entries`` are the folders, ``gather`` writes a result from a benchmark of a profile, ``verify`` computes it again from
the shared structures, ``standing`` ranks, ``build`` makes the site. ``commands`` is what the user calls.
"""
