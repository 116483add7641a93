"""Real scanners through guard, and honest clients beside them; nginx with fail2ban in the same run.

    main.py GUARD [quick] [COLUMN...] [ROW...]

COLUMN is `a` (the built-in policy), `b` (`guard init --behind node`), `c` (as b, `[scan]` enforced), `d`
(spring, `[scan]` enforced) or `fail2ban`. ROW is a part of the name of a row. `quick` is column c, unless
others are given, without the slow rows (nmap, whatweb). The demo app answers an unknown path with 404,
or, as a single-page app, with its page. Everything is on loopback.
"""

import atexit
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import clients
import tools
from table import Cell, print_table
from testbed import COLUMNS, Testbed


def main(guard, *selection):
    selection = list(selection)
    quick = "quick" in selection
    columns = [column for column in COLUMNS if column in selection] or (
        ["c"] if quick else list(COLUMNS)
    )
    names = [word for word in selection if word not in COLUMNS and word != "quick"]
    versions = tools.versions()
    print("versions:", ", ".join(f"{name} {version}" for name, version in versions.items()))
    if "nginx" not in versions:
        sys.exit("nginx is needed as the hop and for the app")

    # Ends the servers and deletes the folder, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="gabion-scanners-"))
    atexit.register(shutil.rmtree, folder)
    testbed = Testbed(Path(guard).resolve(), folder, columns)
    if not testbed.words:
        print("SKIPPED: rows with a word list; install the package dirb")

    def is_selected(row):
        if row.needs_words and not testbed.words or row.program and row.program not in versions:
            return False
        is_named = any(name in row.name for name in names)
        return is_named if names else not (quick and row.program in tools.SLOW)

    began = time.monotonic()
    for title, rows, format_cell in (
        ("scanner", tools.SCANNERS, Cell.of_scanner),
        ("honest client", clients.CLIENTS, Cell.of_client),
    ):
        rows = [row for row in rows if is_selected(row)]
        print_table(title, testbed.columns, measure(testbed, rows), format_cell)
    print(f"\n{time.monotonic() - began:.0f} s")


def measure(testbed, rows):
    """Yields (name, variant, one cell per column) for each row and variant."""
    for row in rows:
        for variant in row.variants:
            cells = []
            for column in testbed.columns:
                with testbed.measurement(column, variant) as measurement:
                    clients.warm_up(measurement)
                    row.run(measurement)
                cells.append(Cell(measurement))
                measurement.delete()
            yield row.name, variant, cells


main(*sys.argv[1:])
