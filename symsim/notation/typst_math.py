r"""LaTeX as this package prints it -> Typst: formulas token by token, and sentences with formulas and references."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?|\s+|.", re.DOTALL)

_WORDS = {
    **{f"\\{name}": name for name in ("quad", "max", "min", "ln", "Phi", "Gamma", "sum")},
    "\\cdot": "dot",
    "\\times": "times",
    "\\to": "->",
    "\\le": "<=",
    "\\ge": ">=",
    "\\infty": "infinity",
    "\\dots": "dots",
    "\\,": "thin",
    "\\;": "",
    "\\ ": "space",
    "\\%": "%",
    "\\notag": "",
    "~": "space",
    "\\Bigl": "\\",
    "\\Bigr": "\\",
    "\\bigl": "\\",
    "\\bigr": "\\",
    "\\left": "",
    "\\right": "",
    "\\lfloor": "lr(floor.l",
    "\\rfloor": "floor.r)",
    "\\lceil": "lr(ceil.l",
    "\\rceil": "ceil.r)",
    "#": "\\#",
    "/": "\\/",
    '"': '\\"',
    "'": "'",
    "&": "\\&",
}
"""A command or a character -> how Typst says it; a further command is a letter by its name."""


def typst_math(latex: str) -> str:
    r"""A formula in Typst, for between its dollar signs.

    >>> typst_math(r"t_{\mathrm{qkv\,proj}}"), typst_math(r"\mu_{\mathrm{gemm}}"), typst_math(r"B_{\max}")
    ('t_"qkv proj"', 'mu_"gemm"', 'B_max')
    >>> typst_math(r"\frac{2\,D\,T}{e_{c}^{\mathrm{gemm}}} + \left({t_{0}}\right)^{1/p}")
    'frac(2 thin D thin T, e_c^"gemm") + (t_0)^(1 \\/ p)'
    """
    tokens = [token for token in _TOKEN.findall(latex) if not token.isspace()]
    return _Reader(tokens).until(None)


@dataclass
class _Reader:
    """Tokens of a formula, read from the front."""

    tokens: list[str]
    at: int = 0

    def until(self, closing: str | None) -> str:
        """All up to a closing brace, or to the end."""
        parts: list[str] = []
        while self.at < len(self.tokens) and self.tokens[self.at] != closing:
            token = self._next()
            if token in "_^" and parts:
                parts[-1] += token + self._script()
            elif part := self._part(token):
                parts.append(part)
        self.at += 1
        return re.sub(r"\\ (?=[()])", r"\\", " ".join(parts)).replace("( ", "(").replace(" )", ")").replace(" ,", ",")

    def _next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def _group(self) -> str:
        self.at += 1
        return self.until("}")

    def _script(self) -> str:
        inside = self._group() if self.tokens[self.at] == "{" else self._part(self._next())
        return inside if re.fullmatch(r'"[^"]*"|[A-Za-z0-9.]+', inside) else f"({inside})"

    def _part(self, token: str) -> str:
        match token:
            case "\\frac":
                return f"frac({self._group()}, {self._group()})"
            case "\\mu" if self.tokens[self.at : self.at + 1] == ["\\mathrm"]:
                self.at += 1
                return f'"µ{self._upright()}"'
            case "\\mathrm" | "\\text" | "\\operatorname":
                return f'"{self._upright()}"'
            case "{":
                inside = self.until("}")
                if self.tokens[self.at : self.at + 1] != ["^"]:
                    return inside
                self.at += 1
                return f"attach({inside}, tr: {self._script()})"
            case _:
                return _WORDS.get(token, token.removeprefix("\\"))

    def _upright(self) -> str:
        """What stands upright, letter by letter."""
        self.at += 1
        letters: list[str] = []
        while self.tokens[self.at] != "}":
            token = self._next()
            letters.append(" " if token in ("\\,", "\\ ", "~") else token.removeprefix("\\"))
        self.at += 1
        return "".join(letters)


def typst_prose(latex: str, label: Callable[[str], str] = lambda name: name.replace(":", "-")) -> str:
    r"""A sentence in Typst: formulas, citations and references to tables as Typst has them.

    >>> typst_prose(r"As $x_{1}$ of Table~\ref{tab:short} in a\_b~\cite{one,two}, 5\,\% off.")
    'As $x_1$ of @tab-short in a\\_b @one @two, 5\u202f% off.'
    """
    parts = re.split(r"(?<!\\)\$", latex)
    return "".join(f"${typst_math(part)}$" if i % 2 else _words(part, label) for i, part in enumerate(parts))


def _words(text: str, label: Callable[[str], str]) -> str:
    text = re.sub(r"\\allowbreak\{\}|\\par\{\\sloppy\\noindent |\\par\}", "", text).replace("\\,", "\u202f")
    text = re.sub(r"(?:Table|Eq\.)~\(?\\ref\{([^{}]*)\}\)?", lambda found: f"\0{label(found.group(1))}\0", text)
    text = re.sub(
        r"~\\cite\{([^{}]*)\}", lambda found: "".join(f" \0{key}\0" for key in found.group(1).split(",")), text
    )
    text = re.sub(r"\\textbackslash\{\}|\\textasciicircum\{\}|\\textasciitilde\{\}", "", text)
    text = re.sub(r"\\text(less|greater|bar)\{\}", lambda found: {"less": "<", "greater": ">"}.get(found[1], "|"), text)
    plain = re.sub(r"\\(.)", r"\1", text)
    escaped = re.sub(r"[#@$*_<`\\\[\]]", lambda found: "\\" + found.group(), plain)
    return re.sub("\0([^\0]*)\0", r"@\1", escaped)
