"""Compares the results of each agent with those of the direct run of the same server. Fails if a case
differs.

    compare.py REPORTS RACES

Both are index.json files of the suite, with agents named `server: path`. The path `direct` is the
reference; RACES has repeated direct runs of the cases that have more than one valid result.
"""

import json
import sys
from collections import Counter


def outcomes(cases):
    return {
        case: (result["behavior"], result["behaviorClose"], result["remoteCloseCode"])
        for case, result in cases.items()
    }


def main(reports, races):
    agents = {}
    for name, cases in json.load(open(reports)).items():
        server, path = name.split(": ")
        agents.setdefault(server, {})[path] = outcomes(cases)
    attempts = {}
    for name, cases in json.load(open(races)).items():
        for case, outcome in outcomes(cases).items():
            attempts.setdefault((name.split(": ")[0], case), set()).add(outcome)

    differing = 0
    for server, paths in agents.items():
        direct = paths["direct"]
        for path, cases in paths.items():
            sums = Counter(behavior for behavior, _, _ in cases.values())
            sums = ", ".join(f"{count} {behavior}" for behavior, count in sorted(sums.items()))
            print(f"{server}: {path}: {len(cases)} cases, {sums}")
            if cases.keys() != direct.keys():
                sys.exit("  the cases are not those of the direct run")
            for case, outcome in cases.items():
                if outcome == direct[case]:
                    continue
                is_race = outcome in attempts.get((server, case), set())
                differing += not is_race
                verdict = "a race that direct runs have as well" if is_race else "DIFFERS"
                print(f"  {case}: {outcome}, direct {direct[case]}: {verdict}")
    if not agents:
        sys.exit(f"no agent in {reports}")
    print(f"{differing} cases differ")
    sys.exit(differing > 0)


main(*sys.argv[1:])
