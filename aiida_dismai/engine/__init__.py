"""The science, without AiiDA: one task contract (`dismai run task.json`) and what it runs.

``errors``, ``parameters``, ``task`` and ``structures`` are light (numpy and pydantic); everything
that needs torch or matgl imports it inside the module that computes, never at package level.
"""
