"""A grammar that does three things with one set of rules: it writes text, reads it back, and weighs itself.

A text made by known choices has a known probability, *if* it could have been made in one way only. These
grammars are written so that it can, and `Grammar.clashes` proves it. So three things are exact:

    write(rng)      a passage drawn from the grammar, and the log-probability of having drawn it
    read(text)      the same log-probability from the text alone: every choice is recovered by parsing
    weigh()         mean length and entropy of a passage, from the rules' probabilities, without drawing anything

The notation, in full:

    weather:                        a rule: each line under it, or each part between |, is one alternative
        3x fine | 2x dull           weights; an alternative without one counts once
        {colour} and {clouds}       {rule} draws from another rule; no rule may contain itself
    person(name, his):              a table: each line is one record, and all records are equally likely
        Wren | her
    greeting:
        {person as a} meets {person as b not a}.      `as` remembers what was drawn; `not` draws another record
        {a} waves {a.his} hat to {b}./                a name repeats what was remembered; `/` ends the line
        {^weather} {^^a} {reply me=b you=a}_          capital first letter, all capitals, roles, a space at an edge
            ha!                                       lines indented further carry on the one above

A passage has one memory, filled from left to right. Which values it holds changes words, never choices; that is
why `weigh` may add up one slot at a time.
"""

import math
import random
import re
from bisect import bisect_right
from itertools import accumulate
from typing import NamedTuple

SLOT = re.compile(
    r"\{(?P<case>\^{0,2})(?P<name>\w+)(?:\.(?P<facet>\w+))?(?: as (?P<variable>\w+))?"
    r"(?: not (?P<others>\w+(?: \w+(?!\w*=))*))?(?P<roles>(?: \w+=\w+)*)\}"
)
CASES = {"": lambda s: s, "^": lambda s: s[:1].upper() + s[1:], "^^": str.upper}


class Draw(NamedTuple):
    """A fresh choice."""

    rule: str
    facet: int = 0  # the facet of the record that is written
    variable: str | None = None  # the value is remembered under this name
    others: tuple = ()  # variables whose records may not be drawn again
    roles: tuple = ()  # (role, player): from here on `me` is whoever `a` is


class Repeat(NamedTuple):
    """A remembered value, written once more: no choice, so no entropy."""

    variable: str
    facet: int = 0
    case: str = ""


class Rule(NamedTuple):
    alternatives: list  # each a tuple of str, Draw and Repeat
    weights: list
    log_probs: list


class Table(NamedTuple):
    facets: list
    records: list  # each a tuple of str, one per facet


class Grammar:
    """Rules in the notation above. The first rule is the passage; a text is any whole number of passages."""

    def __init__(self, source: str):
        blocks = {}  # (name, facets or None) -> lines
        for line in filter(str.strip, source.splitlines()):
            if head := re.fullmatch(r"(\w+)(?:\((.+)\))?:", line):
                blocks[head.groups()] = lines = []
            elif line.startswith(8 * " "):
                lines[-1] += line.strip()
            else:
                lines.append(line.strip())
        self.rules = {name: None for name, _ in blocks}
        self.start = next(iter(self.rules))
        self.kinds = self._kinds_of_variables(source)
        tables = {name: facets.split(", ") for name, facets in blocks if facets}
        for (name, _), lines in blocks.items():
            if name in tables:
                self.rules[name] = Table(tables[name], [tuple(re.split(r" *\| *", line)) for line in lines])
                continue
            parts = [part for line in lines for part in re.split(r" *\| *", line)]
            weights, texts = zip(
                *(re.fullmatch(r"(?:(\d+)x )?(.*)", part).groups() for part in parts), strict=True
            )
            weights = [int(weight or 1) for weight in weights]
            alternatives = [tuple(self._items(text, tables)) for text in texts]
            self.rules[name] = Rule(alternatives, weights, [math.log(w / sum(weights)) for w in weights])
        self._cumulative = {
            n: list(accumulate(r.weights)) for n, r in self.rules.items() if isinstance(r, Rule)
        }
        self._means = {}

    def _kinds_of_variables(self, source):
        """For each variable the rule its value comes from; roles take the kind of what is handed to them."""
        slots = list(SLOT.finditer(source))
        kinds = {}
        for slot in slots:
            if slot["variable"] and kinds.setdefault(slot["variable"], slot["name"]) != slot["name"]:
                raise ValueError(
                    f"{slot['variable']!r} remembers both {slot['name']!r} and another rule: rename one."
                )
        handed = {tuple(role.split("=")) for slot in slots for role in slot["roles"].split()}
        while missing := {(inner, outer) for inner, outer in handed if inner not in kinds and outer in kinds}:
            kinds |= {inner: kinds[outer] for inner, outer in missing}
        return kinds

    def _items(self, text, tables):
        """The literals and slots of one alternative, in order."""
        at = 0
        for slot in SLOT.finditer(text):
            yield from self._literal(text[at : slot.start()])
            at = slot.end()
            kind = slot["name"] if slot["name"] in self.rules else self.kinds[slot["name"]]
            facet = tables[kind].index(slot["facet"]) if slot["facet"] else 0
            if slot["name"] in self.kinds:
                yield Repeat(slot["name"], facet, slot["case"])
            else:
                others = tuple((slot["others"] or "").split())
                if others and kind not in tables:
                    raise ValueError(
                        f"{slot[0]} leaves something out, but {kind!r} is no table: make it one."
                    )
                roles = tuple(tuple(role.split("=")) for role in slot["roles"].split())
                yield Draw(slot["name"], facet, slot["variable"], others, roles)
        yield from self._literal(text[at:])

    @staticmethod
    def _literal(text):
        if text:
            yield text.replace("/", "\n").replace("_", " ")

    # ------------------------------------------------------------------------------------------------ writing

    def write(self, rng: random.Random) -> tuple[str, float]:
        """Draw a passage. Returns it with the natural logarithm of its probability."""
        out = []
        log_prob = self._write(Draw(self.start), {}, rng.random, out)
        return "".join(out), log_prob

    def _write(self, draw, memory, uniform, out):
        rule = self.rules[draw.rule]
        if isinstance(rule, Table):
            records = self._records(draw, memory)
            record = records[int(uniform() * len(records))]
            if draw.variable:
                memory[draw.variable] = record
            out.append(record[draw.facet])
            return -math.log(len(records))
        weights = self._cumulative[draw.rule]
        i = bisect_right(weights, uniform() * weights[-1])
        log_prob = rule.log_probs[i]
        self._cast(draw, memory)
        start = len(out)
        for item in rule.alternatives[i]:
            if isinstance(item, str):
                out.append(item)
            elif isinstance(item, Repeat):
                out.append(CASES[item.case](memory[item.variable][item.facet]))
            else:
                log_prob += self._write(item, memory, uniform, out)
        if draw.variable:
            memory[draw.variable] = ("".join(out[start:]),)
        return log_prob

    def _records(self, draw, memory):
        records = self.rules[draw.rule].records
        if draw.others:
            taken = [memory[other] for other in draw.others]
            records = [record for record in records if record not in taken]
        return records

    @staticmethod
    def _cast(draw, memory):
        """Give out the roles: with me=a, the name `me` now holds what `a` holds."""
        if draw.roles:
            memory.update({role: memory[player] for role, player in draw.roles})

    # ------------------------------------------------------------------------------------------------ reading

    def read(self, text: str) -> float:
        """The log-probability of a text: passages are drawn independently, so theirs add up.

        Raises:
            ValueError: no choices of this grammar give this text.
        """
        log_probs, at = [], 0
        while at < len(text):
            furthest = [at]
            found = self._read(Draw(self.start), {}, text, at, furthest)
            if found is None:
                line, near = text.count("\n", 0, furthest[0]) + 1, text[furthest[0] :][:30]
                raise ValueError(
                    f"The grammar cannot have written line {line} of this text, from {near!r} on: give it whole "
                    "passages as they were written."
                )
            at, log_prob = found
            log_probs.append(log_prob)
        return math.fsum(log_probs)

    def _read(self, draw, memory, text, at, furthest):
        """Match one rule at `at`: (end, log-probability), or None. The first match is the only one there is."""
        rule = self.rules[draw.rule]
        if isinstance(rule, Table):
            records = self._records(draw, memory)
            for record in records:
                if text.startswith(record[draw.facet], at):
                    if draw.variable:
                        memory[draw.variable] = record
                    return at + len(record[draw.facet]), -math.log(len(records))
            furthest[0] = max(furthest[0], at)
            return None
        for items, log_prob in zip(rule.alternatives, rule.log_probs, strict=True):
            if isinstance(items[0], str) and not text.startswith(items[0], at):
                continue  # most alternatives fail here, so this is what makes reading fast
            trial = dict(memory)  # an alternative that fails half-way must leave no trace
            self._cast(draw, trial)
            end = at
            for item in items:
                if isinstance(item, Draw):
                    found = self._read(item, trial, text, end, furthest)
                    if found is None:
                        break
                    end, more = found
                    log_prob += more
                else:
                    literal = (
                        item if isinstance(item, str) else CASES[item.case](trial[item.variable][item.facet])
                    )
                    if not text.startswith(literal, end):
                        break
                    end += len(literal)
            else:
                memory.update(trial)
                if draw.variable:
                    memory[draw.variable] = (text[at:end],)
                return end, log_prob
            furthest[0] = max(furthest[0], end)
        furthest[0] = max(furthest[0], at)
        return None

    # ------------------------------------------------------------------------------------------------ weighing

    def weigh(self) -> tuple[float, float]:
        """Mean length (characters) and entropy (nats) of a passage.

        By the chain rule the entropy of a passage is the sum over its choices of each one's entropy, times how
        often it is made. A repeat adds no entropy, and as much length as the value it repeats has on average.
        """
        return self._mean_of_rule(self.start)

    def _mean_of_rule(self, name):
        if name not in self._means:
            rule = self.rules[name]
            length = entropy = 0.0
            for items, weight, log_prob in zip(*rule, strict=True):
                parts = [self._mean_of_item(item) for item in items]
                length += weight / sum(rule.weights) * sum(part[0] for part in parts)
                entropy += weight / sum(rule.weights) * (sum(part[1] for part in parts) - log_prob)
            self._means[name] = length, entropy
        return self._means[name]

    def _mean_of_item(self, item):
        if isinstance(item, str):
            return len(item), 0.0
        name = item.rule if isinstance(item, Draw) else self.kinds[item.variable]
        rule = self.rules[name]
        if isinstance(rule, Table):
            # All records are equally likely, also where others are out: by symmetry those could be any.
            length = sum(len(record[item.facet]) for record in rule.records) / len(rule.records)
            entropy = math.log(len(rule.records) - len(item.others)) if isinstance(item, Draw) else 0.0
        else:
            length, entropy = self._mean_of_rule(name)
        return length, entropy if isinstance(item, Draw) else 0.0

    # ------------------------------------------------------------------------------------------ one derivation

    def clashes(self) -> list[str]:
        """Where two derivations might give the same text; an empty list proves that there is no such place.

        Take two derivations and the first choice in which they differ: one rule, one memory, two alternatives. If
        no string of the one alternative begins a string of the other, the texts differ too. So it is enough to
        compare the alternatives of every rule from the left: what both begin with cancels (its strings do not
        begin each other either), and a slot against anything else stands for all that it could ever be.
        """
        self._apart = {frozenset((draw.variable, other)) for draw in self._draws() for other in draw.others}
        found = []
        for name, rule in self.rules.items():
            if isinstance(rule, Rule):
                choices = [rule.alternatives]
            else:
                facets = {draw.facet for draw in self._draws() if draw.rule == name}
                choices = [[(record[facet],) for record in rule.records] for facet in facets]
            for alternatives in choices:
                for i, one in enumerate(alternatives):
                    found += [
                        f"{name}: {one} and {two}" for two in alternatives[:i] if self._may_begin(one, two)
                    ]
        return found

    def _draws(self):
        rules = [rule for rule in self.rules.values() if isinstance(rule, Rule)]
        return [i for rule in rules for items in rule.alternatives for i in items if isinstance(i, Draw)]

    def _may_begin(self, one, two, same_memory=True):
        """Whether some string of the items `one` begins one of `two`, or the reverse (in any mix of case)."""
        if not one or not two:
            return True
        (a, *one), (b, *two) = one, two
        if isinstance(a, str) and isinstance(b, str):
            n = min(len(a), len(b))
            rests = [[rest] if rest else [] for rest in (a[n:], b[n:])]
            same = a[:n].lower() == b[:n].lower()
            return same and self._may_begin(rests[0] + one, rests[1] + two, same_memory)
        if a == b and (same_memory or self._ignores_memory(a)):
            return self._may_begin(one, two, same_memory)
        if same_memory and frozenset((self._begins_with(a), self._begins_with(b))) in self._apart:
            return False
        if isinstance(a, str):
            a, b, one, two = b, a, two, one
        return any(self._may_begin([*option, *one], [b, *two], False) for option in self._could_be(a))

    def _begins_with(self, item):
        """The variable whose first facet is what `item` begins with, whichever alternative is drawn; or None."""
        if isinstance(item, Draw) and isinstance(self.rules[item.rule], Rule):
            first, *rest = {alternative[0] for alternative in self.rules[item.rule].alternatives}
            if isinstance(first, Repeat) and first.facet == 0 and not rest:
                return dict(item.roles).get(first.variable, first.variable)
        return item.variable if isinstance(item, Repeat) and item.facet == 0 else None

    def _ignores_memory(self, item):
        if isinstance(item, Draw):
            rule = self.rules[item.rule]
            return isinstance(rule, Table) or all(
                self._ignores_memory(i) for o in rule.alternatives for i in o
            )
        return isinstance(item, str)

    def _could_be(self, slot):
        rule = self.rules[slot.rule if isinstance(slot, Draw) else self.kinds[slot.variable]]
        return [(r[slot.facet],) for r in rule.records] if isinstance(rule, Table) else rule.alternatives
