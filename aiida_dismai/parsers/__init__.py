"""The parser of all tasks."""
