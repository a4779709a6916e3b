"""The section of a page that explains the terms on it."""

import re
from collections.abc import Iterator, Sequence

from facespace.report.page import Section
from facespace.report.terms import TERMS, WORDS

HEADING = "Terms on this page"


def glossary(sections: Sequence[Section]) -> Section | None:
    """The terms that occur in those sections, in alphabetical order; None if there are none."""
    text = "\n".join(_texts(sections))
    rows = [["", ""]]
    for term, meaning in sorted(TERMS.items(), key=_lower):
        words = WORDS.get(term, re.escape(term))
        flags = re.IGNORECASE if term.islower() else 0
        if re.search(rf"(?<!\w)(?:{words})(?!\w)", text, flags):
            rows.append([term, meaning])
    return Section(HEADING, "", table=rows) if len(rows) > 1 else None


def _lower(entry: tuple[str, str]) -> str:
    return entry[0].lower()


def _texts(sections: Sequence[Section]) -> Iterator[str]:
    for section in sections:
        yield section.heading
        yield section.text
        for row in section.table:
            yield "\n".join(row)
        for picture in section.pictures:
            yield picture[0]  # the caption
