"""Parses /metrics with Prometheus's own parser, and reports the faults that `promtool check metrics` would find."""

import re
import sys

from prometheus_client.parser import text_string_to_metric_families

UNITS = ("_seconds", "_bytes", "_ratio", "_info")
WRONG_UNITS = re.compile(r"_(ms|milliseconds|micros|minutes|hours|kb|kib|mb|mib|percent)(_|$)")


def faults(text):
    seen = set()
    for family in text_string_to_metric_families(text):
        name = family.name
        if name in seen:
            yield f"{name}: told twice"
        seen.add(name)
        if not family.documentation.strip():
            yield f"{name}: no HELP"
        if family.type == "unknown":
            yield f"{name}: no TYPE"
        # The parser removes `_total` from the names of counters.
        total = all(sample.name.endswith("_total") for sample in family.samples)
        if (family.type == "counter") != total:
            yield f"{name}: a {family.type}, and `_total` says counter"
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or WRONG_UNITS.search(name):
            yield f"{name}: no name in base units and snake case"
        if family.type in name.split("_"):
            yield f"{name}: its name holds its type"
        if family.type == "histogram" and not name.endswith(UNITS + ("_jobs",)):
            yield f"{name}: a histogram without a unit"
        for sample in family.samples:
            for label in sample.labels:
                if not re.fullmatch(r"[a-z][a-z0-9_]*", label):
                    yield f"{name}: the label {label}"
        if len(family.samples) > 2000:
            yield f"{name}: {len(family.samples)} series"


found = list(faults(sys.stdin.read()))
print("\n".join(found))
sys.exit(1 if found else 0)
