"""Makes a world smaller while it shows the same disagreement, and writes it as a case file."""

import copy
import hashlib
import re
from pathlib import Path

from judge import disagreements
from world import Invalid, to_toml

# Runs for one disagreement.
BUDGET = 80
# Case files of one kind of disagreement and engine.
ALIKE = 3


class Shrinker:
    def __init__(self, server, probe, cases):
        self.server, self.probe, self.cases = server, probe, Path(cases)

    def same(self, world, kind):
        """The problem of that kind, if this world still has it."""
        self.runs += 1
        try:
            verdict, outcome = self.server.run(world, self.probe.check)
        except (Invalid, KeyError, IndexError):
            return None
        return next((p for p in disagreements(verdict, outcome, world.pipe) if p.kind == kind), None)

    def shrink(self, world, problem):
        self.runs = 0
        best, found = world, self.same(world, problem.kind)
        if not found:
            return None, problem
        tried = set()
        while candidate := next((c for c in smaller(best) if repr(c) not in tried), None):
            if self.runs >= BUDGET:
                break
            tried.add(repr(candidate))
            again = self.same(candidate, problem.kind)
            if again:
                best, found = candidate, again
        return best, found

    def write(self, world, problem):
        """Writes a case file, unless there are enough like it. Returns its name."""
        engine = re.sub(r"[\d_]+$", "", world.server)
        slug = re.sub(r"[^a-z0-9]+", "-", f"{engine} {problem.kind}".lower()).strip("-")[:80]
        self.cases.mkdir(parents=True, exist_ok=True)
        shape = hashlib.sha256(" ".join(sorted(map(form, world.setup))).encode()).hexdigest()[:6]
        alike = list(self.cases.glob(f"{slug}-??????.toml"))
        path = self.cases / f"{slug}-{shape}.toml"
        if path.exists() or len(alike) >= ALIKE:
            return alike[0].name
        path.write_text(to_toml(world, f"{problem.kind}: {problem.text}"))
        return path.name


def form(statement):
    """What kind of statement it is: its upper-case words."""
    return " ".join(re.findall(r"\b[A-Z]{2,}\b", statement))


def smaller(world):
    """Every world that lacks one thing, the largest things first."""
    if len(world.workload) > 2:
        half = len(world.workload) // 2
        yield without(world, lambda w: w.workload.__delitem__(slice(half, None)))
        yield without(world, lambda w: w.workload.__delitem__(slice(None, half)))
    if len(world.setup) > 6:
        half = len(world.setup) // 2
        yield without(world, lambda w: w.setup.__delitem__(slice(half, None)))
    for index in reversed(range(len(world.workload))):
        yield without(world, lambda w: w.workload.pop(index))
    for index in reversed(range(len(world.settings))):
        yield without(world, lambda w: w.settings.pop(index))
    for index in reversed(range(len(world.setup))):
        yield without(world, lambda w: w.setup.pop(index))
    for index, transaction in enumerate(world.workload):
        if len(transaction) > 1:
            for at in range(len(transaction)):
                yield without(world, lambda w: w.workload[index].pop(at))
    if len(world.pipe.tables) > 1:
        for index in range(len(world.pipe.tables)):
            yield without(world, lambda w: w.pipe.tables.pop(index))
    if world.pipe.mode and not world.pipe.slot:
        yield without(world, lambda w: setattr(w.pipe, "mode", ""))


def without(world, change):
    smaller = copy.deepcopy(world)
    change(smaller)
    return smaller
