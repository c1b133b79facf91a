"""Texts made to take time: derived from the patterns of the code under attack, so a new rule brings its own attacks.

Python's `re` backtracks, and rules that are applied in turn undo each other's work. Both show as a time that grows
faster than the text. What does it is a long run of what a pattern allows, a match begun many times and never ended,
or matches inside matches.
"""

import random
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

# Combining marks of several classes, and one that decomposes into two: sorting them is what Unicode asks for.
MARKS = "\u0301\u0323\u0327\u0345\u0315\u0f73\u05b0\u3099"
CATEGORIES = {
    _constants.CATEGORY_DIGIT: "0589\uff17",
    _constants.CATEGORY_NOT_DIGIT: "a가 -",
    _constants.CATEGORY_SPACE: " \t\u3000",
    _constants.CATEGORY_NOT_SPACE: "a가1.",
    _constants.CATEGORY_WORD: "aZ0_가",
    _constants.CATEGORY_NOT_WORD: " -.<&",
}
SURROGATES = {chr(code) for code in range(0xD800, 0xE000)}  # no text of a column or of n-grams holds one
REPEATS = 3  # an unbounded part is repeated at most so often more than it must be


@dataclass(frozen=True)
class Shape:
    """A text of any length: `begin` many times, `middle` once, `end` as often."""

    begin: str
    middle: str = ""
    end: str = ""

    def text(self, length: int) -> str:
        """About `length` characters."""
        times = max(1, (length - len(self.middle)) // (len(self.begin) + len(self.end)))
        return self.begin * times + self.middle + self.end * times


def shapes(patterns: Iterable[re.Pattern[str]], count: int, seed: int = 0) -> list[Shape]:
    """`count` different shapes made of pieces of what the patterns match."""
    draw = random.Random(seed)
    parsed = [_parser.parse(pattern.pattern, pattern.flags) for pattern in patterns]
    atoms = sorted(set(MARKS) | {character for tree in parsed for character in _characters(tree)} - SURROGATES)
    made: dict[Shape, None] = {}
    while len(made) < count:
        made[_shape(draw, [_match(tree, draw) for tree in draw.choices(parsed, k=3)], atoms)] = None
    return list(made)


def _shape(draw: random.Random, matches: Sequence[str], atoms: Sequence[str]) -> Shape:
    match, other, third = (each or draw.choice(atoms) for each in matches)
    cut = draw.randrange(len(match) + 1)
    few = "".join(draw.choices(atoms, k=draw.randrange(1, 4)))
    possible = (
        Shape(match),  # matches beside each other
        Shape(match[:cut] or few, few),  # begun and never ended
        Shape(match[:cut] or few, other, match[cut:] or few),  # one in the other
        Shape(match[: draw.randrange(1, len(match) + 1)] + other[draw.randrange(len(other)) :], third),
        Shape(few, match),  # long runs and alternations before something that matches, or after it
        Shape(few + match[cut:] + draw.choice(atoms)),
        Shape("".join(draw.choices(MARKS, k=draw.randrange(1, 4)))),
        Shape("".join(draw.choices(atoms, k=draw.randrange(20, 200)))),
    )
    return draw.choice(possible)


def _characters(tree: Any) -> set[str]:
    """Every character that stands in a pattern, and some of each class in it."""
    found: set[str] = set()
    for op, argument in tree:
        if op in {_constants.LITERAL, _constants.NOT_LITERAL}:
            found.add(chr(argument))
        elif op is _constants.IN:
            found |= {character for each in argument for character in _members(each)}
        else:
            for inner in _inner(op, argument):
                found |= _characters(inner)
    return found


def _match(tree: Any, draw: random.Random) -> str:
    """A text that the pattern matches, apart from what it asks of its surroundings."""
    made: list[str] = []
    groups: dict[int, str] = {}

    def walk(tree: Any) -> None:
        for op, argument in tree:
            if op is _constants.LITERAL:
                made.append(chr(argument))
            elif op is _constants.ANY:
                made.append(draw.choice("a가 1"))
            elif op in {_constants.NOT_LITERAL, _constants.IN}:
                made.append(_one_of(op, argument, draw))
            elif op is _constants.BRANCH:
                walk(draw.choice(argument[1]))
            elif op in {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}:
                least, most, inner = argument
                for _ in range(draw.randint(least, min(most, least + REPEATS))):
                    walk(inner)
            elif op is _constants.SUBPATTERN:
                start = len(made)
                walk(argument[-1])
                groups[argument[0]] = "".join(made[start:])
            elif op is _constants.ATOMIC_GROUP:
                walk(argument)
            elif op is _constants.GROUPREF:
                made.append(groups[argument])

    walk(tree)
    return "".join(each for each in made if each not in SURROGATES)


def _one_of(op: Any, argument: Any, draw: random.Random) -> str:
    if op is _constants.NOT_LITERAL:
        return draw.choice([character for character in " a0-가" if ord(character) != argument])
    negated = argument[0][0] is _constants.NEGATE
    members = {character for each in argument for character in _members(each)}
    if negated:  # what is near, outside: letters and signs that no range holds
        members = {character for character in " a0-가;.\t" if character not in members} or {" "}
    return draw.choice(sorted(members))


def _members(item: tuple[Any, Any]) -> str:
    kind, value = item
    if kind is _constants.LITERAL:
        return chr(value)
    if kind is _constants.RANGE:
        return chr(value[0]) + chr((value[0] + value[1]) // 2) + chr(value[1])
    return CATEGORIES[value] if kind is _constants.CATEGORY else ""


def _inner(op: Any, argument: Any) -> list[Any]:
    if op is _constants.BRANCH:
        return list(argument[1])
    if op in {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}:
        return [argument[2]]
    if op is _constants.SUBPATTERN:
        return [argument[-1]]
    if op in {_constants.ASSERT, _constants.ASSERT_NOT}:
        return [argument[1]]
    return [argument] if op is _constants.ATOMIC_GROUP else []


def seconds(function: Callable[[str], object], text: str, tries: int = 1) -> float:
    """Processor time of one call, the best of `tries`."""
    times = []
    for _ in range(tries):
        start = time.process_time()
        function(text)
        times.append(time.process_time() - start)
    return min(times)


LENGTH = 8_000
FACTOR = 4
# Linear is 4 and quadratic 16; between them are the clock, the caches and what is paid once.
MOST_GROWTH = 9.0
LEAST_SECONDS = 0.002  # below it the ratio is that of the clock


def growth(function: Callable[[str], object], shape: Shape, length: int = LENGTH) -> float:
    """By how much the time grows where the text grows by FACTOR; the surest of what several measurements say."""
    long = shape.text(FACTOR * length)
    if seconds(function, long) < LEAST_SECONDS:
        return FACTOR
    ratios = []
    for tries in (1, 3, 7):
        short = seconds(function, shape.text(length), tries)
        ratios.append(seconds(function, long, tries) / max(short, LEAST_SECONDS / FACTOR))
        if ratios[-1] < MOST_GROWTH:
            break
    return min(ratios)
