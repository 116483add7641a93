"""Real scanners through guard, and honest clients beside them; nginx with fail2ban in the same run.

    main.py GUARD [quick | COLUMN... | ROW...]

COLUMN is `a` (the built-in policy), `b` (`guard init --behind node`), `c` (as b, `[scan]` enforced), `d`
(spring, `[scan]` enforced) or `fail2ban`. ROW is a part of the name of a row. `quick` is column c without
the rows that take long. The demo app answers an unknown path with 404, or, as a single-page app, with its
page. Everything is on loopback.
"""

import shutil
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
    columns = [column for column in COLUMNS if column in selection] or (["c"] if quick else list(COLUMNS))
    names = [word for word in selection if word not in COLUMNS and word != "quick"]
    versions = tools.versions()
    print("versions:", ", ".join(f"{name} {version}" for name, version in versions.items()))
    if "nginx" not in versions:
        sys.exit("nginx is needed as the hop and for the app")

    def is_selected(row):
        if row.program and row.program not in versions:
            return False
        return any(name in row.name for name in names) if names else not (quick and row.program in tools.SLOW)

    folder = Path(tempfile.mkdtemp(prefix="gabion-scanners-"))
    testbed = Testbed(Path(guard).resolve(), folder, columns)
    scanners = [row for row in tools.SCANNERS if is_selected(row)]
    if not testbed.words:
        print("SKIPPED: all rows with a word list; install the package dirb")
        scanners = [row for row in scanners if row.program in ("nmap", "sqlmap", "whatweb")]
    began = time.monotonic()
    try:
        for title, rows, format_cell in (
            ("scanner", scanners, Cell.of_scanner),
            ("honest client", [row for row in clients.CLIENTS if is_selected(row)], Cell.of_client),
        ):
            print_table(title, testbed.columns, measure(testbed, rows), format_cell)
    finally:
        testbed.close()
        shutil.rmtree(folder)
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
