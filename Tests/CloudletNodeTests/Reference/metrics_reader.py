# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Reads Prometheus's text format 0.0.4 from standard input, strictly, and prints its samples as JSON.

The grammar is checked here line by line; Prometheus's own Python library then has to understand the same.
"""

import json
import re
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([-+]?(?:Inf|[0-9.]+(?:e[-+]?[0-9]+)?)|NaN)$")

text = sys.stdin.read()
assert text.endswith("\n"), "the last line does not end"
kinds, samples, family, seen = {}, {}, None, set()
for line in text[:-1].split("\n"):
    if line.startswith("# HELP "):
        family = line.split(" ")[2]
        assert family not in seen, f"{family} comes twice"
        continue
    if line.startswith("# TYPE "):
        _, _, name, kind = line.split(" ")
        assert name not in kinds and kind in ("counter", "gauge", "histogram", "untyped"), line
        assert family in (name, None) or family in seen, f"HELP of {family} before TYPE of {name}"
        kinds[name], family = kind, name
        seen.add(name)
        continue
    match = SAMPLE.match(line)
    assert match, f"no sample: {line!r}"
    name, labels, value = match.groups()
    suffixes = ("_bucket", "_sum", "_count") if kinds[family] == "histogram" else ("",)
    assert name in [family + suffix for suffix in suffixes], f"{name} under {family}"
    key = name + (f"{{{labels}}}" if labels else "")
    assert key not in samples, f"{key} comes twice"
    samples[key] = float(value)

for name, kind in kinds.items():
    if kind != "histogram":
        continue
    series = {}
    for key, value in samples.items():
        if key.startswith(name + "_bucket{"):
            rest, bound = re.match(r'.*?\{(.*?),?le="([^"]*)"\}$', key).groups()
            series.setdefault(rest, []).append((float(bound), value))
    for rest, buckets in series.items():
        assert buckets == sorted(buckets), f"buckets of {name}{{{rest}}} do not grow"
        count = samples[name + "_count" + (f"{{{rest}}}" if rest else "")]
        assert buckets[-1] == (float("inf"), count), f"{name}{{{rest}}} does not end with +Inf"

known = sum(len(family.samples) for family in text_string_to_metric_families(text))
assert known == len(samples), f"Prometheus's library sees {known} of {len(samples)} samples"
print(json.dumps({key: str(value) for key, value in samples.items()}))
