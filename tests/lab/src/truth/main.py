"""Random worlds, or case files, on one server. Reads a request (a line of JSON), prints a line of JSON for each world."""

import json
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from judge import capability_checks, disagreements, noticed_mutants
from login import Login, Pipeprobe
from shrink import Shrinker
from world import Invalid, Unjudged, from_toml


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


class Judge:
    def __init__(self, request):
        self.request = request
        self.probe = Pipeprobe(request)
        self.server = engine(request, Login(request))
        self.shrinker = Shrinker(self.server, self.probe, request["cases"])
        self.shrunk = Counter()

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

    def random_worlds(self):
        request, words = self.request, grammar(self.request)
        for number in range(request["first"], request["first"] + request["rounds"]):
            rng = random.Random(f"{request['seed']} {request['server']} {number}")
            world = words.generate(request["server"], self.server.version, rng)
            problems, line = self.run(number, world, forgiving=True)
            if request["shrink"]:
                line["files"] = [self.case(world, problem) for problem in problems]
            say(**line, choices=world.choices)

    def case(self, world, problem):
        self.shrunk[problem.kind] += 1
        if self.shrunk[problem.kind] > request_limit:
            return ""
        smallest, found = self.shrinker.shrink(world, problem)
        return self.shrinker.write(smallest, found) if smallest else "not seen again"

    def case_files(self):
        for path in sorted(Path(self.request["cases"]).glob("*.toml")):
            world, known = from_toml(path.read_text())
            if fits(world.server, self.request["server"]):
                _, line = self.run(path.name, world)
                say(**line, known=known, case=True)


# Worlds of one kind of disagreement that are made smaller in one run.
request_limit = 2


def fits(case, server):
    """A case runs on the version that showed it."""
    return case == server


def main():
    judge = Judge(json.loads(sys.stdin.readline()))
    judge.case_files()
    judge.random_worlds()


if __name__ == "__main__":
    main()
