"""What happens to files on their way: cut off, edited, mangled by tools, written by somebody with bad intentions."""

from __future__ import annotations

import random
from collections.abc import Callable

#: Words that stand in files of other programs, or that somebody put there to do harm.
WORDS = (
    "nan", "inf", "-inf", "1e400", "1_000", "1.0D+00", "********", "0x10", "none", "None", "null", "T", "F", "yes",
    "no", "-1", "0", "1", "2", "3", "118", "119", "999999999999", "1000000000000000000", "-9223372036854775809", "Si",
    "si", "X", "D", "Li+", "O2-", "Si1", "#", "\u0661", "\x1b[31m", "\u202e", '"', "'", "{", "}", "[", "]", "=",
    "Lattice=", "energy=", "stress=", "virial=", "pbc=", "Properties=", "_JSON", "[[1,2],[3]]", '"a b"', ":", ",",
    "species:S:1:pos:R:3", "atoms", "xlo", "Atoms", "ITEM:", "loop_", "?", ".", "1/3", "a" * 300, "../../etc/passwd",
)  # fmt: skip


def mutate_text(content: bytes, rng: random.Random) -> bytes:
    """Return a text with one to three changes."""
    text = content.decode()
    for _ in range(rng.randint(1, 3)):
        text = rng.choice(TEXT)(text, rng)
    return text.encode("utf-8", errors="surrogatepass") if rng.random() < 0.95 else mutate_bytes(text.encode(), rng)


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Return a binary file with one to three changes."""
    for _ in range(rng.randint(1, 3)):
        content = rng.choice(BYTES)(content, rng)
    return content


def _lines(change: Callable[[list[str], int, random.Random], None]) -> Callable[[str, random.Random], str]:
    def changed(text: str, rng: random.Random) -> str:
        lines = text.split("\n")
        change(lines, rng.randrange(len(lines)), rng)
        return "\n".join(lines)

    return changed


def _words(change: Callable[[list[str], int, random.Random], None]) -> Callable[[str, random.Random], str]:
    """Change a word of a line; half of the time one of the first lines, which say what follows."""

    def changed(text: str, rng: random.Random) -> str:
        lines = text.split("\n")
        place = rng.randrange(min(len(lines), 12)) if rng.random() < 0.5 else rng.randrange(len(lines))
        words = lines[place].split(" ")
        change(words, rng.randrange(len(words)), rng)
        lines[place] = " ".join(words)
        return "\n".join(lines)

    return changed


def _swap(items: list[str], place: int, rng: random.Random) -> None:
    other = rng.randrange(len(items))
    items[place], items[other] = items[other], items[place]


def _cut(text: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _character(text: str, rng: random.Random) -> str:
    place = rng.randrange(len(text) + 1)
    return (
        text[:place]
        + rng.choice(["\x00", "\t", " ", "\r", "9", "-", '"', "\ufeff", "é", "\x1b", "="])
        + text[place + 1 :]
    )


TEXT: tuple[Callable[[str, random.Random], str], ...] = (
    _lines(lambda lines, place, rng: lines.pop(place) and None),
    _lines(lambda lines, place, rng: lines.insert(place, lines[place])),
    _lines(lambda lines, place, rng: lines.insert(place, rng.choice(["", "   ", "# a comment", "1", "2 3"]))),
    _lines(_swap),
    _words(lambda words, place, rng: words.pop(place) and None),
    _words(lambda words, place, rng: words.insert(place, rng.choice(WORDS))),
    _words(lambda words, place, rng: words.__setitem__(place, rng.choice(WORDS))),
    _words(lambda words, place, rng: words.__setitem__(place, words[place] + rng.choice(WORDS))),
    _words(_swap),
    _cut,
    _character,
    lambda text, rng: text.replace("\n", "\r\n"),
    lambda text, rng: "\ufeff" + text,
    lambda text, rng: text + text[: rng.randrange(len(text) + 1)],
    lambda text, rng: text.replace(" ", "\t"),
    lambda text, rng: text.upper() if rng.random() < 0.5 else text.lower(),
)


def _flip(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return content
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]


def _overwrite(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content) + 1)
    return content[:place] + rng.randbytes(rng.randint(1, 16)) + content[place + 8 :]


def _replace_ascii(content: bytes, rng: random.Random) -> bytes:
    """Change what headers of arrays say."""
    pairs = (
        (b"<f8", b"|O8"),
        (b"<f8", b"<f4"),
        (b"(", b"[("),
        (b"False", b"True "),
        (b"3", b"9"),
        (b"3", b"-"),
        (b"<i8", b"<U2"),
    )
    old, new = rng.choice(pairs)
    places = [i for i in range(len(content)) if content.startswith(old, i)]
    if not places:
        return content
    place = rng.choice(places)
    return content[:place] + new[: len(old)] + content[place + len(old) :]


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _flip,
    _overwrite,
    _replace_ascii,
    _replace_ascii,
    lambda content, rng: content[: rng.randrange(len(content) + 1)],
    lambda content, rng: content[rng.randrange(len(content) + 1) :],
    lambda content, rng: content + rng.randbytes(20),
    lambda content, rng: content[: len(content) // 2] + content[len(content) // 2 + rng.randint(1, 64) :],
)
