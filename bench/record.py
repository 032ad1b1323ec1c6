# SPDX-License-Identifier: GPL-2.0
"""What a run of the measurements leaves: figures, and one record for each figure, system, point and metric.

    results = Results(kernel, revision, date)
    results.figures.append(Figure("sending", 5, "Cost of send", ("share",)))
    results.records.append(of_runs("sending", "native send", "1 KiB", "instructions", "instructions", [...]))
    results.write(path); Results.read(path)

A metric is a number for which less is better or worse, with a unit; what is to hold of it is the record's at_most.  The
parts of a record, if it has some, add up to its median.
"""
import json
import statistics
from dataclasses import asdict, dataclass, field, replace

FORMAT = 1


@dataclass(frozen=True)
class Record:
    """spread is half the distance between the largest and the smallest run, in the metric's unit."""
    figure: str
    system: str
    point: str
    metric: str
    unit: str
    median: float
    spread: float
    runs: tuple = ()
    kernel: str = ""
    revision: str = ""
    at_most: float = None
    parts: dict = field(default_factory=dict)

    @property
    def missed(self):
        return self.at_most is not None and self.median > self.at_most

    @property
    def wobble(self):
        """The spread as a share of the median, or None where that says nothing."""
        return self.spread / abs(self.median) if self.median else None


def of_runs(figure, system, point, metric, unit, runs, **more):
    runs = tuple(runs)
    return Record(figure, system, point, metric, unit, statistics.median(runs), (max(runs) - min(runs)) / 2, runs, **more)


def share(record, base, metric="share", at_most=None):
    """What a record is of another one, whose spread counts as well."""
    ratio = record.median / base.median
    return replace(record, metric=metric, unit=f"of {base.system}", median=ratio, at_most=at_most, parts={},
                   spread=ratio * (record.spread / abs(record.median) + base.spread / abs(base.median)) if record.median else 0.0,
                   runs=tuple(r / base.median for r in record.runs))


def middle(runs, parts):
    """The parts of the median: of the run in the middle, or of the two there, half and half."""
    order = sorted(range(len(runs)), key=lambda i: runs[i])
    chosen = {order[(len(runs) - 1) // 2], order[len(runs) // 2]}
    keys = {k for i in chosen for k in parts[i]}
    return {k: sum(parts[i].get(k, 0) for i in chosen) / len(chosen) for k in keys}


@dataclass
class Figure:
    """What a report says of a figure besides its records; failed: why it has not all of them."""
    name: str
    order: float
    title: str
    plots: tuple = ()       # metrics
    text: str = ""
    failed: str = ""
    seconds: float = 0.0
    stacks: tuple = ()      # metrics whose parts are plotted, one upon the other


@dataclass
class Results:
    kernel: str
    revision: str
    date: str
    repeats: int = 0
    figures: list = field(default_factory=list)
    records: list = field(default_factory=list)

    def of(self, figure):
        return [r for r in self.records if r.figure == figure.name]

    def missed(self):
        return [r for r in self.records if r.missed]

    def failed(self):
        return [f for f in self.figures if f.failed]

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")
        new.rename(path)

    @classmethod
    def read(cls, path):
        data = json.loads(path.read_text())
        if data.pop("format", None) != FORMAT:
            raise ValueError(f"{path}: not of this version")
        figures = [Figure(**dict(f, plots=tuple(f["plots"]), stacks=tuple(f.get("stacks", ())))) for f in data.pop("figures")]
        records = [Record(**dict(r, runs=tuple(r["runs"]))) for r in data.pop("records")]
        return cls(**data, figures=figures, records=records)
