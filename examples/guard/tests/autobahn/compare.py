"""Compares each agent's cases with those of the agent that nothing stands in front of. Fails where one
differs.

    compare.py REPORTS RACES

Both are an index.json of the suite, whose agents are named `server: way`. The way `direct` is what the
others are compared with; RACES holds more direct runs, of the cases that may end in more than one way.
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
        server, way = name.split(": ")
        agents.setdefault(server, {})[way] = outcomes(cases)
    attempts = {}
    for name, cases in json.load(open(races)).items():
        for case, outcome in outcomes(cases).items():
            attempts.setdefault((name.split(": ")[0], case), set()).add(outcome)

    differing = 0
    for server, ways in agents.items():
        direct = ways["direct"]
        for way, cases in ways.items():
            sums = Counter(behavior for behavior, _, _ in cases.values())
            sums = ", ".join(f"{count} {behavior}" for behavior, count in sorted(sums.items()))
            print(f"{server}: {way}: {len(cases)} cases, {sums}")
            if cases.keys() != direct.keys():
                sys.exit("  these are other cases than the direct run had")
            for case, outcome in cases.items():
                if outcome == direct[case]:
                    continue
                is_race = outcome in attempts.get((server, case), set())
                differing += not is_race
                verdict = "a race, in direct runs too" if is_race else "DIFFERS"
                print(f"  {case}: {outcome}, direct {direct[case]}: {verdict}")
    if not agents:
        sys.exit(f"no agent in {reports}")
    print(f"{differing} cases differ")
    sys.exit(differing > 0)


main(*sys.argv[1:])
