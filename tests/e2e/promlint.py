"""A scrape in Prometheus' text format 0.0.4, read and judged.

    scrape = Scrape(text)                     # parsed with the library of Prometheus; raises ValueError
    scrape.value("taghub_up", service="ingest")
    scrape.problems()                         # a list, best empty: what `promtool check metrics` says, and some more
"""

import math
import re
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"[a-z_][a-z0-9_]*")    # also no capitals and no colons: those are for recording rules
LABEL = r'[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{{{LABEL}(?:,{LABEL})*\}})? [-+0-9.eE]+(?:Inf|NaN)?")
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count", "")}
ABBREVIATED = {"s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"}
PREFIXES = ("pico", "nano", "micro", "milli", "centi", "deci", "kilo", "kibi", "mega", "mebi", "giga", "gibi")
BASE_UNITS = {"seconds", "bytes", "meters", "grams", "celsius", "volts", "amperes", "joules"}
OTHER_UNITS = {"minutes", "hours", "days", "weeks", "bits", "percent", "fahrenheit", "inches", "miles", "calories"}


class Scrape:
    """families: {name as in TYPE: family of prometheus_client}; names: of every sample."""

    def __init__(self, text):
        self.text = text
        self.families = {}
        self.samples = {}
        for family in text_string_to_metric_families(text):
            name = family.name + "_total" if family.type == "counter" else family.name    # the parser takes it off
            self.families[name] = family
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                if key in self.samples:
                    raise ValueError(f"twice: {sample.name} {sample.labels}")
                self.samples[key] = sample.value
        self.names = {name for name, _ in self.samples}

    def value(self, name, **labels):
        """The value of one series, None when there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def sum(self, name, **labels):
        """Over all series of a name that have these labels."""
        wanted = set(labels.items())
        return sum(value for (each, has), value in self.samples.items() if each == name and wanted <= has)

    def problems(self):
        found = self._layout_problems()
        for name, family in self.families.items():
            found.extend(_family_problems(name, family))
        return found

    def _layout_problems(self):
        """HELP, TYPE, then samples, once per family and in one piece."""
        problems = [] if self.text.endswith("\n") else ["the last line does not end"]
        types, helped, over, current = {}, set(), set(), None
        for line in self.text.removesuffix("\n").split("\n"):
            comment, sample = re.fullmatch(r"# (HELP|TYPE) (\S+) ?(.*)", line), SAMPLE.fullmatch(line)
            if not comment and not sample:
                problems.append(f"no sample: {line}")
                continue
            name = comment[2] if comment else _family_of(sample[1], types)
            if name != current:
                over.add(current)
                current = name
                if name in over:
                    problems.append(f"{name}: not in one piece")
                if not comment or comment[1] != "HELP":
                    problems.append(f"{name}: does not begin with HELP")
            if comment and comment[1] == "TYPE":
                if name in types:
                    problems.append(f"{name}: two types")
                if (comment[3] == "counter") != name.endswith("_total"):
                    problems.append(f"{name}: a {comment[3]}, by its name something else")
                types[name] = comment[3]
            elif comment:
                if name in helped:
                    problems.append(f"{name}: two helps")
                helped.add(name)
            elif name not in types:
                problems.append(f"{name}: a sample without TYPE before it")
        return problems


def _family_of(sample_name, types):
    for kind, parts in PARTS.items():
        for part in parts:
            family = sample_name.removesuffix(part)
            if sample_name.endswith(part) and types.get(family) == kind:
                return family
    return sample_name


def _family_problems(name, family):
    kind, words = family.type, name.split("_")
    if not NAME.fullmatch(name):
        yield f"{name}: not in snake case"
    if not family.documentation.strip():
        yield f"{name}: no help"
    if kind == "unknown":
        yield f"{name}: no type"
    if kind not in PARTS and name.endswith(("_bucket", "_sum", "_count")):
        yield f"{name}: the ending belongs to histograms"
    if {"counter", "gauge", "histogram", "summary"} & set(words):
        yield f"{name}: the type stands in the name"
    for word in words:
        if word in ABBREVIATED or word in OTHER_UNITS or (
                word.startswith(PREFIXES) and any(word.endswith(unit) for unit in BASE_UNITS)):
            yield f"{name}: {word} is not a base unit"
    for sample in family.samples:
        if "le" in sample.labels and not sample.name.endswith("_bucket"):
            yield f"{sample.name}: le outside of a histogram"
        if math.isnan(sample.value):
            yield f"{sample.name}: not a number"
        if kind == "counter" and sample.value < 0:
            yield f"{sample.name}: a total below 0"
    if kind == "histogram":
        yield from _histogram_problems(name, family)


def _histogram_problems(name, family):
    buckets, sums, counts = defaultdict(list), {}, {}
    for sample in family.samples:
        labels = frozenset((key, value) for key, value in sample.labels.items() if key != "le")
        if sample.name.endswith("_bucket"):
            buckets[labels].append((float(sample.labels["le"]), sample.value))
        else:
            (sums if sample.name.endswith("_sum") else counts)[labels] = sample.value
    if not buckets.keys() == sums.keys() == counts.keys():
        yield f"{name}: series without buckets, sum or count"
        return
    for labels, row in buckets.items():
        bounds, values = zip(*row)
        if list(bounds) != sorted(set(bounds)) or bounds[-1] != math.inf:
            yield f"{name}: bounds {bounds}"
        if list(values) != sorted(values):
            yield f"{name}: buckets do not add up: {values}"
        if values[-1] != counts[labels]:
            yield f"{name}: count is not the last bucket"
