"""The parts that all measurements share: the site, the dynamic app, the policies, and fail2ban."""

import re
import subprocess
import sys
from pathlib import Path

import processes
import site_files
from fail2ban import Fail2ban
from measurement import Measurement

# The columns: the options of `guard init`, and the mode of `[scan]`; `None` for nginx with fail2ban.
COLUMNS = {
    "a": ([], "observe"),
    "b": (["--behind", "node"], "observe"),
    "c": (["--behind", "node"], "enforce"),
    "d": (["--behind", "spring"], "enforce"),
    "fail2ban": None,
}


class Testbed:
    """The folder of a run, with its servers."""

    def __init__(self, guard, folder, columns):
        self.guard, self.folder, self.count = guard, folder, 0
        folder.chmod(0o755)  # nginx reads it as another user.
        self.site = folder / "site"
        self.site.mkdir()
        site_files.write(self.site)
        self.words = site_files.write_words(folder)
        app = [sys.executable, "-B", Path(__file__).parent / "app.py"]
        self.dynamic_port = int(processes.start(app, subprocess.PIPE).stdout.readline())
        self.fail2ban = Fail2ban.start(folder) if "fail2ban" in columns else None
        self.columns = [column for column in columns if column != "fail2ban" or self.fail2ban]
        for column in self.columns:
            if COLUMNS[column]:
                self.write_policy(column)

    def write_policy(self, column):
        """Writes the policy of `guard init` that trusts the hop and has the column's mode of `[scan]`."""
        options, mode = COLUMNS[column]
        file = self.folder / f"{column}.toml"
        subprocess.run([self.guard, "init", file, *options], check=True, stdout=subprocess.DEVNULL)
        text = file.read_text()
        for pattern, value in (
            (r"(?m)^trusted_proxies = .*", 'trusted_proxies = ["127.0.0.1"]'),
            (r"(?m)^\[scan\]\nmode = .*", f'[scan]\nmode = "{mode}"'),
        ):
            text, found = re.subn(pattern, value, text)
            if found != 1:
                sys.exit(f"the policy of `guard init` has no line {pattern}")
        file.write_text(text)

    def measurement(self, column, variant):
        self.count += 1
        policy = self.folder / f"{column}.toml" if COLUMNS[column] else None
        return Measurement(self, policy, variant, self.count)
