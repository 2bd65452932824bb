"""`model A like B:` -> the text of A in full: what it says itself, and the lines of B that it does not say otherwise.

A line of A replaces the line of B that makes the same name, wherever in B that stands; of several, the one that calls
the same block. Rows of `config:` and `modules:` replace those there, `layers` all that it holds. `...` in a call stands
for the arguments there; `default D = 2048` changes what an absent key means; `without bias, first` leaves lines out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from symsim.errors import GraphSyntaxError, Span, did_you_mean
from symsim.language.source import Item, Line, indent, items, without_comment

DEEPEST = 2
"""How many models a text may go back: further, and no one reads it without a tool."""

_MADE = re.compile(r"(?:let |expect )?([\w.]+)(?:\[\w+\])?(?: as \w+)?(?: else \w+)? *=(?!=)")
_CALL = re.compile(r"\w+ *= *(\w+)\((.*)\)( of .*)?$")
_LIKE = re.compile(r" +like +\w+")
_ASSIGNED = re.compile(r"(\w+) *=(?!=) *")


def completed(own: Sequence[Line], parent: Sequence[Line]) -> tuple[Line, ...]:
    """The model `own`, which is like `parent`, in full. Raises GraphSyntaxError at a line that changes nothing."""
    (child,), (whole,) = items(own), items(parent)
    body = whole.body
    for item in child.body:
        body = _changed(body, item)
    heading, *rest = child.lines
    like = _LIKE.search(heading.text)
    assert like is not None
    begin, end = like.span()
    shortened = replace(
        heading,
        text=heading.text[:begin] + heading.text[end:],
        written=heading.text,
        start=begin,
        removed=end - begin,
    )
    return (shortened, *rest, *(line for item in body for line in item.everything()))


def _changed(body: tuple[Item, ...], item: Item) -> tuple[Item, ...]:
    word = item.code.split(" ")[0].rstrip(":")
    match word:
        case "config" | "modules":
            return _section(body, item, word)
        case "without":
            return _without(body, item)
        case _:
            return _replaced(body, item)


def _section(body: tuple[Item, ...], item: Item, word: str) -> tuple[Item, ...]:
    """A section whose rows replace those of the same name there; new ones stand where they are read: at its end, or,
    among the sizes of a config, before what they are followed by here."""
    there = next((i for i, other in enumerate(body) if other.code.split(" ")[0].rstrip(":") == word), None)
    if there is None:
        return (body[0], item, *body[1:])
    rows = list(body[there].body)
    waiting: list[Item] = []
    for row in item.body:
        if row.code.startswith("without "):
            rows = list(_without(tuple(rows), row))
    for row in item.body:
        kind = row.code.split(" ")[0]
        if kind == "default":
            rows = _with_defaults(rows, row)
        elif kind == "without":
            continue
        elif (at := _row(rows, _key(row, word))) is None:
            waiting.append(row)
        else:
            rows[at : at + 1] = [*waiting, row]
            waiting = []
    head = item.lines if len(item.code) > len(body[there].code) else body[there].lines
    return (*body[:there], Item(head, (*rows, *waiting)), *body[there + 1 :])


def _key(row: Item, section: str) -> str | None:
    """What a row makes: a size, the key that it expects, the modules that it renames."""
    if section == "modules":
        return row.code.partition("=")[0].strip()
    made = _MADE.match(row.code)
    return None if made is None else row.code[: made.end(1)]


def _row(rows: Sequence[Item], key: str | None) -> int | None:
    names = [row.code.partition("=")[0].strip() if key and "=" in row.code else "" for row in rows]
    keys = [_key(row, "config") for row in rows]
    return next((i for i in range(len(rows)) if key and key in (keys[i], names[i])), None)


def _with_defaults(rows: list[Item], item: Item) -> list[Item]:
    """`default D = 2048, L = 24`: rows whose last `else` is another."""
    changed = list(rows)
    for place, name, value in _assigned(item):
        at = _row(changed, name)
        if at is None:
            raise GraphSyntaxError(_span(item, place), f"no row above makes {name}; {_hint(name, changed)}")
        row = changed[at]
        left, equals, right = row.code.partition(" = ")
        choices = right.rpartition(" else ")[0] or right
        text = f"{' ' * indent(row.lines[0])}{left}{equals}{choices} else {value}"
        line, column = _line(item, place)
        changed[at] = Item((Line(text, line.path, line.number, line.text, column, None),), ())
    return changed


def _assigned(item: Item) -> Iterator[tuple[int, str, str]]:
    """Where in the statement each `name = value` of a `default` line begins, its name and its value."""
    text = item.code
    found = list(_ASSIGNED.finditer(text))
    for one, following in zip(found, [*found[1:], None], strict=True):
        end = len(text) if following is None else following.start()
        yield one.start(), one[1], text[one.end() : end].strip().rstrip(",")


def _without(body: tuple[Item, ...], item: Item) -> tuple[Item, ...]:
    for match in re.finditer(r"[\w.*]+", item.code.removeprefix("without")):
        kept = tuple(_leaving_out(body, match[0]))
        if kept == body:
            place = len("without") + match.start()
            raise GraphSyntaxError(_span(item, place), f"no line makes {match[0]}; {_hint(match[0], body)}")
        body = kept
    return body


def _leaving_out(body: Sequence[Item], name: str) -> Iterator[Item]:
    for item in body:
        if item.code.startswith("ignore "):
            yield from _reading(item, name)
        elif _name(item) != name and name not in re.split(r",\s*", item.code.partition("=")[0].strip()):
            yield replace(item, body=tuple(_leaving_out(item.body, name)))


def _reading(item: Item, name: str) -> Iterator[Item]:
    """An `ignore` row without one of its keys."""
    keys = [key.strip() for key in item.code.removeprefix("ignore ").split(",")]
    if name not in keys:
        yield item
    elif len(keys) > 1:
        first = item.lines[0]
        text = f"{' ' * indent(first)}ignore {', '.join(key for key in keys if key != name)}"
        yield Item((replace(first, text=text, written=first.text, start=indent(first), inserted=None),), ())


def _name(item: Item) -> str | None:
    """What a statement makes; of `layers`, `config` and `modules` the word itself."""
    made = _MADE.match(item.code)
    if made is not None:
        return made[1]
    word = item.code.split(" ")[0].rstrip(":")
    return word if word in ("layers", "config", "modules") else None


def _replaced(body: tuple[Item, ...], item: Item) -> tuple[Item, ...]:
    name = _name(item)
    if name is None:
        raise GraphSyntaxError(_span(item, 0), "this line makes no name that it could replace; restate `layers`")
    places = [place for place, other in _walk(body) if _name(other) == name]
    if len(places) > 1:
        places = [place for place in places if _op(_at(body, place)) == _op(item)] or places
    if len(places) != 1:
        problem = f"{len(places)} lines make {name}" if places else f"no line makes {name}"
        hint = "restate `layers`" if places else f"{_hint(name, body)}; a new line stands where `layers` is restated"
        raise GraphSyntaxError(_span(item, 0), f"{problem} in the model that this one is like; {hint}")
    return _put(body, places[0], _filled(item, _at(body, places[0])))


def _walk(body: Sequence[Item], above: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Item]]:
    for i, item in enumerate(body):
        if item.code.split(" ")[0].rstrip(":") in ("config", "modules"):
            continue
        yield (*above, i), item
        yield from _walk(item.body, (*above, i))


def _at(body: Sequence[Item], place: tuple[int, ...]) -> Item:
    item = body[place[0]]
    return item if len(place) == 1 else _at(item.body, place[1:])


def _put(body: tuple[Item, ...], place: tuple[int, ...], item: Item) -> tuple[Item, ...]:
    first, *rest = place
    new = item if not rest else replace(body[first], body=_put(body[first].body, tuple(rest), item))
    return (*body[:first], new, *body[first + 1 :])


def _op(item: Item) -> str | None:
    call = _CALL.match(item.code)
    return None if call is None else call[1]


def _filled(item: Item, there: Item) -> Item:
    """The statement, indented as the one it replaces, with the arguments there for `...`."""
    deeper = indent(there.lines[0]) - indent(item.lines[0])
    return _moved(_called(item, there) if "..." in item.code else item, deeper)


def _moved(item: Item, deeper: int) -> Item:
    return Item(tuple(_indented(line, deeper) for line in item.lines), tuple(_moved(i, deeper) for i in item.body))


def _indented(line: Line, deeper: int) -> Line:
    if deeper == 0:
        return line
    if line.written is not None and line.inserted is not None and deeper > 0:  # what stands before `...` moves with it
        return replace(line, text=" " * deeper + line.text, moved=deeper)
    if line.written is not None:
        return replace(line, text=" " * deeper + line.text if deeper > 0 else line.text[-deeper:], inserted=None)
    if deeper > 0:
        return replace(line, text=" " * deeper + line.text, written=line.text, inserted=deeper)
    return replace(line, text=line.text[-deeper:], written=line.text, removed=-deeper)


def _called(item: Item, there: Item) -> Item:
    """A call with the arguments there in place of `...`; with its modules, where it names none."""
    call = _CALL.match(there.code)
    at = next((i for i, line in enumerate(item.lines) if "..." in line.text), None)
    if call is None or at is None:
        raise GraphSyntaxError(_span(item, 0), "`...` stands for the arguments of a call, and there is none there")
    given = {match[1] for match in _ASSIGNED.finditer(item.code, item.code.index("..."))}
    inputs, _, sizes = call[2].partition(";")
    inherited = f"{inputs}; {', '.join(size for size in _split(sizes) if _size_name(size) not in given)}"
    lines = list(item.lines)
    dots = lines[at].text.index("...")
    text = f"{lines[at].text[:dots]}{inherited}{lines[at].text[dots + 3 :]}"
    lines[at] = replace(
        lines[at], text=text, written=lines[at].text, start=dots, inserted=len(inherited), removed=len("...")
    )
    if call[3] and " of " not in item.code:
        lines[-1] = replace(
            lines[-1], text=without_comment(lines[-1].text) + call[3], written=lines[-1].written or lines[-1].text
        )
    return replace(item, lines=tuple(lines))


def _size_name(size: str) -> str | None:
    """The name of a size that is given by name."""
    named = _ASSIGNED.match(size)
    return None if named is None else named[1]


def _split(text: str) -> list[str]:
    """Arguments, split at the commas that stand outside of parentheses."""
    found, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return [part.strip() for part in found]


def _line(item: Item, place: int) -> tuple[Line, int]:
    """The line, and the column from 0, of a place in the code of a statement."""
    for line in item.lines:
        length = len(without_comment(line.text).strip()) + 1
        if place < length:
            return line, indent(line) + place
        place -= length
    return item.lines[-1], indent(item.lines[-1])


def _span(item: Item, place: int) -> Span:
    line, column = _line(item, place)
    return line.span(column + 1)


def _hint(name: str, body: Sequence[Item]) -> str:
    made = [found for _, item in _walk(body) if (found := _name(item)) is not None]
    return did_you_mean(name, made)
