"""Text of others at the border: to a terminal, an error message, a page."""

from __future__ import annotations

#: Length at which a text is cut by default.
LIMIT = 300


def visible(text: object, limit: int = LIMIT) -> str:
    r"""Return a text in one line in which nothing is hidden.

    Control characters (escape sequences of terminals among them), line ends, marks of writing direction and lone
    surrogates are written as escapes, and what is longer than ``limit`` characters is cut in the middle.

    Example:
        >>> visible("a\x1b[31mred\n")
        'a\\x1b[31mred\\n'
    """
    whole = str(text)
    if len(whole) > limit:
        half = max(1, (limit - 3) // 2)
        whole = f"{whole[:half]} … {whole[-half:]}"
    if whole.isprintable():
        return whole
    return "".join(char if char.isprintable() else _escaped(char) for char in whole)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
