# SPDX-License-Identifier: GPL-2.0
"""A report of results: report.md with its plots beside it, and report.html with everything in it.

    python3 -m bench.report [RESULTS.json]      (bench/results/latest.json)

It knows figures by their titles and records only.  Each metric of a figure is a table, systems by points; those the figure
names are plotted, by gnuplot.  Records with parts have a table of these.
"""
import base64
import html
import re
import sys
import tempfile
from pathlib import Path

from bench.left import left, reasons
from bench.record import Results
from selftests.lab import apt
from selftests.lab.cache import TREE, LabError, run

COLOURS = ("#4d4d4d", "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#17becf", "#bcbd22")


# --- texts ------------------------------------------------------------------------------------------


def digits(value):
    """A number as people read it: three digits that count, or all of those before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2}f}"


def number(record):
    """The median, and how far runs lie from it: in percent, or in the unit where the median is small beside it."""
    text = digits(record.median)
    if len(record.runs) < 2:
        return text
    wobble = record.wobble
    return f"{text} ±{wobble:.1%}" if wobble is not None and wobble < 1 else f"{text} ±{digits(record.spread)}"


def verdict(record):
    """What becomes of what is to hold."""
    if record.at_most is None:
        return ""
    return f" > {digits(record.at_most)} MISSED" if record.missed else f" (≤ {digits(record.at_most)})"


def ordered(things):
    return list(dict.fromkeys(things))


def table(records):
    """(head, rows) of texts: systems by points."""
    systems, points = ordered(r.system for r in records), ordered(r.point for r in records)
    cells = {(r.system, r.point): number(r) + verdict(r) for r in records}
    return ["", *points], [[s, *(cells.get((s, p), "–") for p in points)] for s in systems]


def parts_of(records):
    """The names of the parts that matter, the largest of all first."""
    total = {}
    for r in records:
        for name, n in r.parts.items():
            total[name] = total.get(name, 0) + abs(n)
    names = sorted(total, key=total.get, reverse=True)
    return [n for n in names if any(abs(r.parts.get(n, 0)) >= 0.5 for r in records)]


def parts_table(records):
    """(head, rows): what each median is made of."""
    names = parts_of(records)
    rows = [[f"{r.system}, {r.point}", *(digits(r.parts[n]) if n in r.parts else "–" for n in names), digits(r.median)] for r in records]
    return ["", *names, "sum"], rows


def by_metric(records):
    """[(metric, unit, its records)]"""
    return [(m, " or ".join(ordered(r.unit for r in records if r.metric == m)), [r for r in records if r.metric == m])
            for m in ordered(r.metric for r in records)]


# --- plots ------------------------------------------------------------------------------------------


def plot(title, unit, records, all_systems):
    """SVG: a group of bars for each point, a bar for each system, the spread on top of it; a system keeps its colour in a figure."""
    systems, points = ordered(r.system for r in records), ordered(r.point for r in records)
    colours = {s: COLOURS[i % len(COLOURS)] for i, s in enumerate(all_systems)}
    found = {(r.system, r.point): r for r in records}
    rows = []
    for p in points:
        cells = [quoted(p)]
        for s in systems:
            r = found.get((s, p))
            cells += [f"{r.median:.6g}", f"{r.spread:.6g}"] if r else ["NaN", "NaN"]
        rows.append(" ".join(cells))
    bars = [f"$bars using {2 * i + 2}:{2 * i + 3}:xtic(1) title {quoted(s)} linecolor rgb '{colours[s]}'"
            for i, s in enumerate(systems)]
    return drawn(title, unit, rows, ["set style data histogram", "set style histogram errorbars gap 2 linewidth 1"], bars)


def stack(title, unit, records, all_parts):
    """SVG: a bar for each record, of its parts, one upon the other."""
    several = len({r.point for r in records}) > 1
    rows = [" ".join([quoted(f"{r.system}, {r.point}" if several else r.system), *(f"{max(r.parts.get(n, 0), 0):.6g}" for n in all_parts)])
            for r in records]
    bars = [f"$bars using {i + 2}:xtic(1) title {quoted(n)} linecolor rgb '{COLOURS[i % len(COLOURS)]}'" for i, n in enumerate(all_parts)]
    return drawn(title, unit, rows, ["set style data histogram", "set style histogram rowstacked", "set xtics rotate by -20"], bars)


def quoted(text):
    return '"' + re.sub(r'["\\]', "'", text) + '"'


def drawn(title, unit, rows, style, bars):
    apt.need("gnuplot")
    script = ["set terminal svg size 960,400 noenhanced font 'sans-serif,12' background 'white'",
              "$bars << END", *rows, "END", f"set title {quoted(title)} noenhanced", f"set ylabel {quoted(unit)} noenhanced",
              "set yrange [0:*]", "set grid ytics linecolor rgb '#dddddd'", "set key outside right top", "set border 3",
              "set xtics nomirror scale 0", "set ytics nomirror", *style, "set style fill solid 0.9", "set boxwidth 0.9",
              "plot " + ", ".join(bars)]
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "plot", Path(folder) / "svg"
        path.write_text("\n".join(script) + "\n")
        run(["gnuplot", "-e", f"set output '{out}'", path], timeout=60, what=f"gnuplot: {title}")
        return out.read_text()


# --- the two forms ----------------------------------------------------------------------------------


class Markdown:
    """Lines of report.md; plots are files beside it."""

    def __init__(self, folder):
        self.folder, self.lines = folder, []

    def head(self, level, text):
        self.lines += [f"{'#' * level} {text}", ""]

    def text(self, text, strong=False):
        self.lines += [f"**{text}**" if strong else text, ""]

    def literal(self, text):
        self.lines += ["```", text, "```", ""]

    def table(self, head, rows):
        cell = lambda text: text.replace("|", "\\|")
        self.lines += ["| " + " | ".join(map(cell, r)) + " |" for r in (head, ["---"] + ["---:"] * (len(head) - 1), *rows)] + [""]

    def plot(self, name, title, svg):
        (self.folder / name).write_text(svg)
        self.lines += [f"![{title}]({name})", ""]

    def write(self):
        (self.folder / "report.md").write_text("\n".join(self.lines))


class Html:
    """The body of report.html, which needs no other file."""

    STYLE = ("body{font:15px sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}"
             "table{border-collapse:collapse;margin:1em 0;font-size:13px}td,th{border:1px solid #ccc;padding:2px 8px;"
             "text-align:right}td:first-child{text-align:left}img{max-width:100%}"
             ".strong{color:#b00;font-weight:bold}pre{background:#f4f4f4;padding:1em;overflow:auto}")

    def __init__(self, folder):
        self.folder, self.parts = folder, []

    def head(self, level, text):
        self.parts.append(f"<h{level}>{html.escape(text)}</h{level}>")

    def text(self, text, strong=False):
        self.parts.append(f"<p{' class=strong' if strong else ''}>{html.escape(text)}</p>")

    def literal(self, text):
        self.parts.append(f"<pre>{html.escape(text)}</pre>")

    def table(self, head, rows):
        cell = lambda text, tag: f"<{tag}{' class=strong' if 'MISSED' in text else ''}>{html.escape(text)}</{tag}>"
        self.parts += ["<table>", *("<tr>" + "".join(cell(c, tag) for c in r) + "</tr>"
                                    for tag, r in [("th", head), *(("td", r) for r in rows)]), "</table>"]

    def plot(self, name, title, svg):
        data = base64.b64encode(svg.encode()).decode()
        self.parts.append(f'<img alt="{html.escape(title)}" src="data:image/svg+xml;base64,{data}">')

    def write(self):
        (self.folder / "report.html").write_text(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>MemNet: measurements</title>'
            f"<style>{self.STYLE}</style></head>\n<body>\n" + "\n".join(self.parts) + "\n</body></html>\n")


def figure(form, results, fig, draw, heap):
    records = results.of(fig)
    systems = ordered(r.system for r in records)
    form.head(2, fig.title)
    if fig.failed:
        form.text("This figure failed; what there is of it is incomplete.", strong=True)
        form.literal(fig.failed.strip())
    for paragraph in fig.text.strip().split("\n\n"):
        if paragraph:
            form.text(" ".join(paragraph.split()))
    for metric, unit, chosen in by_metric(records):
        title = f"{metric}: {unit}" if unit != metric else metric
        form.head(3, title)
        if metric in fig.plots:
            form.plot(f"{fig.name}-{metric}.svg", f"{fig.title}: {metric}", draw(f"{fig.title}: {metric}", unit, chosen, systems))
        form.table(*table(chosen))
        made = [r for r in chosen if r.parts]
        if made:
            form.head(4, f"{metric}: where they go")
            if metric in fig.stacks:
                text = f"{fig.title}: {metric}, where they go"
                form.plot(f"{fig.name}-{metric}-parts.svg", text, heap(text, unit, made, parts_of(made)))
            form.table(*parts_table(made))


def contents(form, results, draw, heap):
    form.head(1, "MemNet: measurements")
    form.text(f"{results.date}, kernel {results.kernel}, revision {results.revision}; the median of {results.repeats} repeats, "
              "and half the distance between the largest and the smallest.")
    bad = [f"{f.title}: failed" for f in results.failed()]
    titles = {f.name: f.title for f in results.figures}
    bad += [f"{titles.get(r.figure, r.figure)}: {r.system}, {r.point}: {r.metric} {number(r)}{verdict(r)}" for r in results.missed()]
    held = sum(r.at_most is not None for r in results.records) - len(results.missed())
    form.text(f"{held} targets hold, {len(results.missed())} are missed, {len(results.failed())} figures failed.", strong=bool(bad))
    for text in bad:
        form.text(text, strong=True)
    for fig in results.figures:
        figure(form, results, fig, draw, heap)
    missed(form, results)


def missed(form, results):
    """What is left of the targets that are missed, and why."""
    tables = [(r, left(results, r, digits)) for r in results.missed()]
    if not tables:
        return
    titles = {f.name: f.title for f in results.figures}
    form.head(2, "What is left where a target is missed")
    form.text("The parts of each, as shares of all of what it is compared with, and beside them that one's own.")
    for r, found in tables:
        form.head(3, f"{titles.get(r.figure, r.figure)}: {r.system}, {r.point}: {r.metric} {digits(r.median)}, not {digits(r.at_most)}")
        if found:
            form.table(*found)
        else:
            form.text("Its parts are not known.")
    form.head(3, "Why each part is there")
    form.table(["", "why"], [list(row) for row in reasons(results, results.missed())])


def write(results, folder, draw=plot, heap=stack):
    """report.md, its plots, and report.html; draw() is as plot(), heap() as stack()."""
    folder.mkdir(parents=True, exist_ok=True)

    def once(draw):
        made = {}

        def drawn_once(*args):
            if args[0] not in made:
                made[args[0]] = draw(*args)
            return made[args[0]]
        return drawn_once
    draw, heap = once(draw), once(heap)
    for form in (Markdown(folder), Html(folder)):
        contents(form, results, draw, heap)
        form.write()


def main(argv):
    path = Path(argv[0]) if argv else TREE / "bench" / "results" / "latest.json"
    write(Results.read(path), path.parent)
    print(path.parent / "report.html")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (LabError, OSError, ValueError) as e:
        sys.exit(f"bench.report: {e}")
