"""Goal: one table: measure, ours, yardstick, ratio, target, and whether it is met."""

import fractions
import statistics

HEAD = ("measure", "ours", "yardstick", "ratio", "target", "")


def median(values):
    return statistics.median(values)


def show(value, unit):
    if value is None:
        return "-"
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
    if unit == "B":
        return f"{value / (1 << 20):.1f} MiB"
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.2f} {unit}"


def factor_text(factor):
    below = fractions.Fraction(1 / factor).limit_denominator(10)
    return f"1/{float(below):g}" if factor < 0.95 else f"{factor:g} ×"


class Table:
    """Rows are printed as they come (a run takes minutes), and once more as a whole."""

    def __init__(self):
        self.rows = []

    def add(self, measure, ours, yardstick=None, unit="s", at_most=None, plus=0, least=None):
        """ours and yardstick: a number, or numbers of which the median counts.
        at_most, plus: the target is ours ≤ at_most × yardstick + plus.  least: ours ≥ least × yardstick."""
        ours = median(ours) if isinstance(ours, list) else ours
        yardstick = median(yardstick) if isinstance(yardstick, list) else yardstick
        target = met = ""
        if at_most is not None:
            target = "≤ " + factor_text(at_most) + (f" + {plus * 1000:.0f} ms" if plus else "")
            met = "ok" if ours <= at_most * yardstick + plus else "short"
        elif least is not None:
            target = f"≥ {least:g} ×"
            met = "ok" if ours >= least * yardstick else "short"
        ratio = f"{ours / yardstick:.3g}" if yardstick else "-"
        row = (measure, show(ours, unit), show(yardstick, unit), ratio, target, met)
        self.rows.append(row)
        print(f"    {measure}: {' | '.join(row[1:])}", flush=True)

    def title(self, text):
        self.rows.append((text,))
        print(text, flush=True)

    def print(self):
        whole = [row for row in [HEAD, *self.rows] if len(row) > 1]
        widths = [max(len(row[i]) for row in whole) for i in range(len(HEAD))]
        print()
        for row in [HEAD, *self.rows]:
            if len(row) == 1:
                print(f"-- {row[0]}")
            else:
                cells = [f"{cell:{'<' if i in (0, 4) else '>'}{widths[i]}}" for i, cell in enumerate(row)]
                print("  ".join(cells).rstrip())
