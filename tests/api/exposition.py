"""Prometheus' text format, version 0.0.4, read strictly."""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\["\\n])*",?)*)\}})? (-?[0-9.e+-]+)')
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"')


def check_histogram(name, samples):
    """Buckets ascend and count what is below; the last one is all."""
    buckets = [(float(labels[0][1]), value) for (part, labels), value in samples.items() if part == "_bucket"]
    bounds, counts = zip(*buckets)
    assert bounds == tuple(sorted(set(bounds))) and bounds[-1] == float("inf"), name
    assert counts == tuple(sorted(counts)) and counts[-1] == samples["_count", ()], name
    assert len(samples) == len(buckets) + 2 and samples["_sum", ()] >= 0, name


def exposition(text):
    """{family: {labels: value}}, after everything that the format demands was checked; of a
    histogram {(suffix, labels): value}."""
    families, present, histograms = {}, None, []
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    for line in lines:
        if line.startswith("# HELP "):
            present, said = line[7:].split(" ", 1)
            assert said and present not in families, line
            families[present], kind = {}, None
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == present and kind in ("gauge", "counter", "histogram") and not families[name], line
            assert (kind == "counter") == name.endswith("_total"), line
            histograms += [name] if kind == "histogram" else []
        else:
            found = SAMPLE.fullmatch(line)
            assert found and kind, line
            labels = tuple(LABEL.findall(found[2] or ""))
            assert len({name for name, _ in labels}) == len(labels), line
            key = labels
            if kind == "histogram":
                suffix = found[1].removeprefix(present)
                assert (suffix == "_bucket") == (labels != ()) and suffix in ("_bucket", "_sum", "_count"), line
                key = suffix, labels
            else:
                assert found[1] == present, line
            assert key not in families[present], line
            families[present][key] = float(found[3])
    for name in histograms:
        check_histogram(name, families[name])
    return families
