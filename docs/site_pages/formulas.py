"""Formulas of the pages as MathML, which browsers draw themselves: no script and no font is fetched."""

import html
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex makes of $…$ and $$…$$.
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.S)
BIG = re.compile(r"\\[bB]igg?[lr]?(?![a-zA-Z])\s*")  # sizes of brackets, which MathML stretches by itself


def with_mathml(page: str) -> str:
    """The HTML of a page with its formulas as MathML."""

    def draw(match: re.Match) -> str:
        display = "block" if match[2] == "[" else "inline"
        formula = BIG.sub("", html.unescape(match[3])).replace("\\tfrac", "\\frac")
        return f'<{match[1]} class="formula">{convert(formula, display=display)}</{match[1]}>'

    return FORMULA.sub(draw, page)
