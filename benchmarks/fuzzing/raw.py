"""Damage to a file of any kind: its bytes, its text, and what lies under its name.

A mutator takes a source of randomness and a path, changes what lies there, and says what it did.
"""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

Mutator = Callable[[Random, Path], str]

ABSURD_NUMBERS = (
    *("0", "-1", "-0", "1e308", "-1e308", "1e-308", "1e400", "nan", "NaN", "inf", "-inf", "Infinity"),
    *("99999999999999999999", "-99999999999999999999", "2147483648", "4294967296", "9223372036854775808"),
    *(
        "1000000000",
        "0.000001",
        "1e9",
        "1e-3",
        "0x10",
        "1_000",
        "0" * 40 + "1",
        "9" * 5000,
        "1,5",
        "+5",
        "5.",
    ),
)
HOSTILE_TEXT = (
    *("\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\x9b31m", "[/]", "[bold red]", "[link=file:///etc]x[/link]"),
    *(
        "\0",
        "\r",
        "\n",
        "\u202e\u2066",
        "\ufeff",
        "=cmd|' /C calc'!A0",
        "+1+1",
        "@SUM(1)",
        "-2+3",
        "%s%n{0}{x}",
    ),
    *("../../../../../etc/passwd", "/etc/passwd", "..\\..\\x", "~root", "$(touch owned)", "`touch owned`"),
    *(
        "",
        " ",
        "NA",
        "null",
        "None",
        "true",
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ),
    *("a" * 100_000, "{{7*7}}", "<script>alert(1)</script>", "!!python/object/apply:os.system [touch owned]"),
    *("'", '"', ",", ";", "\t", "#", "&a *a", "[" * 2000, "%2e%2e/", "CON", "é" * 300),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_.]*")


# Bytes ---------------------------------------------------------------------------------------------------


def flip_bit(random: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    position = random.randrange(len(content))
    bit = random.randrange(8)
    content[position] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {position:,} flipped"


def replace_bytes(random: Random, path: Path) -> str:
    content = bytearray(path.read_bytes())
    count = random.choice((1, 1, 2, 4, 16))
    positions = [random.randrange(len(content)) for _ in range(count)]
    for position in positions:
        content[position] = random.choice((0, 255, 127, 128, random.randrange(256)))
    path.write_bytes(content)
    return f"{count} byte(s) replaced, at {positions[:4]}"


def truncate(random: Random, path: Path) -> str:
    content = path.read_bytes()
    kept = random.choice((0, 1, len(content) // 2, len(content) - 1, random.randrange(len(content))))
    path.write_bytes(content[:kept])
    return f"cut to {kept:,} of {len(content):,} bytes"


def lose_head(random: Random, path: Path) -> str:
    content = path.read_bytes()
    lost = random.choice((1, 2, 512, random.randrange(1, len(content) + 1)))
    path.write_bytes(content[lost:])
    return f"first {lost:,} bytes lost"


def change_block(random: Random, path: Path) -> str:
    """Zero, double, drop or move a block, as lost and reordered writes do."""
    content = path.read_bytes()
    size = min(random.choice((16, 512, 4096)), len(content))
    start = random.randrange(len(content) - size + 1)
    block, before, after = content[start : start + size], content[:start], content[start + size :]
    how = random.choice(("zeroed", "doubled", "dropped", "moved to the end", "written with noise"))
    changed = {
        "zeroed": before + bytes(size) + after,
        "doubled": before + block + block + after,
        "dropped": before + after,
        "moved to the end": before + after + block,
        "written with noise": before + random.randbytes(size) + after,
    }
    path.write_bytes(changed[how])
    return f"{size:,} bytes at {start:,} {how}"


def append(random: Random, path: Path) -> str:
    content = path.read_bytes()
    what = random.choice((b"\0" * 4096, b"\n", b"x", content, random.randbytes(100)))
    path.write_bytes(content + what)
    return f"{len(what):,} bytes appended"


# Text ----------------------------------------------------------------------------------------------------


def replace_number(random: Random, path: Path) -> str:
    return _replace_match(random, path, _NUMBER, ABSURD_NUMBERS, "number")


def replace_word(random: Random, path: Path) -> str:
    return _replace_match(random, path, _WORD, HOSTILE_TEXT, "word")


def _replace_match(
    random: Random, path: Path, pattern: re.Pattern[bytes], texts: tuple[str, ...], what: str
) -> str:
    content = path.read_bytes()
    found = list(pattern.finditer(content))
    if not found:
        return flip_bit(random, path)
    match, text = random.choice(found), random.choice(texts)
    path.write_bytes(content[: match.start()] + text.encode("utf-8", "replace") + content[match.end() :])
    return f"{what} {match[0][:30]!r} at {match.start():,} replaced by {text[:40]!r}"


def insert_text(random: Random, path: Path) -> str:
    content, text = path.read_bytes(), random.choice(HOSTILE_TEXT)
    position = random.randrange(len(content) + 1)
    path.write_bytes(content[:position] + text.encode("utf-8", "replace") + content[position:])
    return f"{text[:40]!r} inserted at {position:,}"


def change_lines(random: Random, path: Path) -> str:
    lines = path.read_bytes().splitlines(keepends=True)
    number = random.randrange(len(lines))
    how = random.choice(("dropped", "doubled", "swapped with the first", "emptied", "doubled 500 times"))
    if how == "dropped":
        del lines[number]
    elif how == "doubled":
        lines.insert(number, lines[number])
    elif how == "swapped with the first":
        lines[0], lines[number] = lines[number], lines[0]
    elif how == "emptied":
        lines[number] = b"\n"
    else:
        lines[number : number + 1] = [lines[number]] * 500
    path.write_bytes(b"".join(lines))
    return f"line {number + 1} {how}"


def encode_otherwise(random: Random, path: Path) -> str:
    content = path.read_bytes()
    how = random.choice(
        ("CRLF", "UTF-16", "UTF-8 with a mark", "Latin-1 with umlauts", "NUL after each byte")
    )
    changed = {
        "CRLF": content.replace(b"\n", b"\r\n"),
        "UTF-16": content.decode("latin-1").encode("utf-16"),
        "UTF-8 with a mark": b"\xef\xbb\xbf" + content,
        "Latin-1 with umlauts": content.replace(b"e", b"\xe4", 3),
        "NUL after each byte": b"".join(bytes((byte, 0)) for byte in content),
    }
    path.write_bytes(changed[how])
    return f"written as {how}"


def separate_otherwise(random: Random, path: Path) -> str:
    content = path.read_bytes()
    old, new = random.choice(
        ((b",", b";"), (b",", b"\t"), (b".", b","), (b",", b""), (b"\n", b""), (b" ", b"\t"))
    )
    path.write_bytes(content.replace(old, new))
    return f"{old!r} replaced by {new!r}"


# What lies under the name --------------------------------------------------------------------------------


def put_another_thing(random: Random, path: Path) -> str:
    how = random.choice(
        ("a FIFO", "a folder", "/dev/zero", "/dev/null", "a link to itself", "a dangling link", "nothing")
    )
    path.unlink()
    if how == "a FIFO":
        os.mkfifo(path)
    elif how == "a folder":
        path.mkdir()
    elif how.startswith("/dev"):
        path.symlink_to(how)
    elif how == "a link to itself":
        path.symlink_to(path.name)
    elif how == "a dangling link":
        path.symlink_to("not_there")
    return f"{how} in its place"


def put_another_file(random: Random, path: Path) -> str:
    content = path.read_bytes()
    others = {
        "an HTML page": b"<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head></html>\n",
        "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:"
        + b"4d7a2146" * 8
        + b"\nsize 12345\n",
        "its gzip": gzip.compress(content, mtime=0),
        "nothing in it": b"",
        "blanks": b" \n" * 500,
        "zeros": bytes(len(content)),
        "0xFF": b"\xff" * len(content),
        "noise": random.randbytes(2000),
    }
    how = random.choice(sorted(others))
    path.write_bytes(others[how])
    return f"{how} in its place"


BYTES: tuple[Mutator, ...] = (flip_bit, flip_bit, replace_bytes, truncate, lose_head, change_block, append)
TEXT: tuple[Mutator, ...] = (
    *(replace_number, replace_number, replace_word, replace_word, insert_text, insert_text),
    *(change_lines, encode_otherwise, separate_otherwise),
)
PLACE: tuple[Mutator, ...] = (put_another_thing, put_another_file)
