"""Random worlds, or case files, on one server. Reads a request (a line of JSON), prints a line of JSON for each world."""

import json
import sys
import time
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

from judge import capability_checks, disagreements, noticed_mutants
from login import Login, Pipeprobe
from shrink import Shrinker
from world import Invalid, Unjudged, Worlds, from_toml


def engine(request, login):
    if request["engine"] == "postgres":
        from postgres import Postgres

        return Postgres(request, login)
    from mysql import Mysql

    return Mysql(request, login)


def grammar(request):
    if request["engine"] == "postgres":
        import postgres_grammar

        return postgres_grammar
    import mysql_grammar

    return mysql_grammar


def say(**what):
    print(json.dumps(what), flush=True)


# Servers as the lab starts them.
USUAL = {"start": [], "standby": None}


class Judge:
    def __init__(self, request):
        self.request = request
        self.login, self.probe = Login(request), Pipeprobe(request)
        self.server = engine(request, self.login)
        self.shrunk = Counter()

    def arrange(self, arrangement):
        """Has the servers restarted as a world needs them."""
        if self.server:
            # A server does not start with more slots or prepared transactions than its settings allow.
            self.server.clean()
            self.server.close()
            self.server = None
        say(arrange=arrangement)
        answer = json.loads(sys.stdin.readline())
        if "error" in answer:
            raise RuntimeError(f"{arrangement}: {answer['error']}")
        self.request |= answer
        self.login.move(answer["place"])
        self.probe.move(answer["place"])
        self.server = engine(self.request, self.login)

    def run(self, name, world, forgiving=False):
        """The line of one world. A failure of the judge itself is a line too."""
        start = time.monotonic()
        try:
            verdict, outcome = self.server.run(world, self.probe.check, forgiving)
        except Invalid as why:
            return [], {"world": name, "invalid": str(why)}
        except Unjudged as why:
            return [], {"world": name, "unjudged": str(why)}
        except Exception:
            return [], {"world": name, "error": traceback.format_exc()}
        problems = disagreements(verdict, outcome, world.pipe)
        return problems, {
            "world": name,
            "verdict": verdict.capability,
            "truth": outcome.truth(),
            "problems": [f"{problem.kind}: {problem.text}" for problem in problems],
            "checks": capability_checks(verdict),
            "noticed": noticed_mutants(verdict, outcome, world.pipe),
            "seconds": round(time.monotonic() - start, 3),
        }

    def run_all(self):
        """The case files, then the random worlds; those that need the same arrangement of servers together."""
        jobs = [*self.case_files(), *self.random_worlds()]
        order = [USUAL]
        for world, _ in jobs:
            arrangement = world.arrangement()
            if arrangement not in order:
                # A replica of MySQL or MariaDB repeats the whole binary log, so it comes before worlds that leave gaps in it.
                order.insert(0 if world.standby is not None else len(order), arrangement)
        for arrangement in order:
            some = [(world, run) for world, run in jobs if world.arrangement() == arrangement]
            if arrangement != USUAL or len(order) > 1:
                try:
                    self.arrange(arrangement)
                except Exception:
                    say(world=f"{len(some)} worlds", error=traceback.format_exc())
                    continue
            for _, run in some:
                run()

    def random_worlds(self):
        request, words = self.request, grammar(self.request)
        generate = partial(words.generate, request["server"], self.server.version)
        worlds = Worlds(generate, request["seed"], request["server"])
        for number in range(request["first"], request["first"] + request["rounds"]):
            world = worlds.world(number)
            yield world, partial(self.random_world, number, world)

    def random_world(self, number, world):
        problems, line = self.run(number, world, forgiving=True)
        if self.request["shrink"]:
            line["files"] = [self.case(world, problem) for problem in problems]
        say(**line, choices=world.choices)

    def case(self, world, problem):
        self.shrunk[problem.kind] += 1
        if self.shrunk[problem.kind] > request_limit:
            return ""
        shrinker = Shrinker(self.server, self.probe, self.request["cases"])
        smallest, found = shrinker.shrink(world, problem)
        return shrinker.write(smallest, found) if smallest else "not seen again"

    def case_files(self):
        for path in sorted(Path(self.request["cases"]).glob("*.toml")):
            world, known = from_toml(path.read_text())
            if fits(world.server, self.request["server"]):
                yield world, partial(self.case_file, path.name, world, known)

    def case_file(self, name, world, known):
        _, line = self.run(name, world)
        say(**line, known=known, case=True)


# Worlds of one kind of disagreement that are made smaller in one run.
request_limit = 2


def fits(case, server):
    """A case runs on the version that showed it."""
    return case == server


def main():
    Judge(json.loads(sys.stdin.readline())).run_all()


if __name__ == "__main__":
    main()
