"""The READMEs and the pages, taken apart: headings, code blocks, tables, inline code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"^```([^`\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# (\S+/\S+\.py)\n")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :param language: the text after the fence; in the pages of the site also a directive.
    """

    language: str
    code: str

    @property
    def file(self) -> str | None:
        """The name of the file in the first line of the block, if the block is the complete file."""
        named = _FILE.match(self.code)
        return named[1] if self.language == "python" and named else None


class Readme:
    """A README or a page.

    :param name: its file, from the root of the repository.
    """

    def __init__(self, name: str) -> None:
        self.text = (ROOT / name).read_text("utf-8")
        self.blocks = [Block(*found) for found in _BLOCK.findall(self.text)]
        self.prose = _BLOCK.sub("", self.text)
        self.headings = re.findall(r"^#+", self.prose, re.MULTILINE)
        self.links = re.findall(r"\]\(([^)]+)\)", self.prose)
        self.inline_code = re.findall(r"`([^`\n]+)`", self.prose)
        self.tables = [_rows(table) for table in re.findall(r"(?:^\|.*\n)+", self.prose, re.MULTILINE)]

    def code(self, language: str) -> list[Block]:
        """Return the blocks in one language."""
        return [block for block in self.blocks if block.language == language]

    def table_of(self, first_name: str) -> list[list[str]]:
        """Return the rows of the table whose first row names ``first_name`` in code."""
        return next(table for table in self.tables if f"`{first_name}`" in "".join(table[0]))


def names(cell: str) -> list[str]:
    """Return the inline code of a cell."""
    return re.findall(r"`([^`]+)`", cell)


def _rows(table: str) -> list[list[str]]:
    lines = [line.strip().strip("|") for line in table.splitlines()]
    return [[cell.strip() for cell in _CELL.split(line)] for line in lines[2:]]


ENGLISH = Readme("README.md")
KOREAN = Readme("README.ko.md")
BOTH = [ENGLISH, KOREAN]
