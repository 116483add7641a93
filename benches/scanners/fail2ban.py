"""fail2ban with its own configuration, socket and database, apart from those of the system.

The jail is `nginx-botsearch` as shipped, over nginx's access log. A ban creates a file, which nginx checks
for each request: this takes effect at once, without a firewall and without a reload of nginx.
"""

import shutil
import time

import processes

FILTERS = "/etc/fail2ban/filter.d"

SERVER = """
[Definition]
loglevel = INFO
logtarget = FOLDER/log
syslogsocket = auto
socket = FOLDER/socket
pidfile = FOLDER/pid
dbfile = FOLDER/db.sqlite3
dbpurgeage = 1d
dbmaxmatches = 10
"""

# The package's default is 5 matches; its jails for Apache take 2.
JAIL = """
[nginx-botsearch]
enabled = true
filter = nginx-botsearch
backend = auto
logpath = ACCESS
maxretry = 2
findtime = 10m
bantime = 10m
usedns = no
action = file
"""

ACTION = """
[Definition]
actionban = touch BANNED/<ip>
actionunban = rm -f BANNED/<ip>
"""


class Fail2ban:
    """A fail2ban server that follows one access log of all measurements."""

    @classmethod
    def start(cls, folder):
        """Starts fail2ban. Prints a note and returns `None` if it is not installed or does not start."""
        if not shutil.which("fail2ban-server"):
            print("SKIPPED: fail2ban; install the package fail2ban")
            return None
        fail2ban = cls(folder / "fail2ban")
        log = fail2ban.folder / "log"
        for _ in range(200):
            if log.exists() and "Jail 'nginx-botsearch' started" in log.read_text():
                return fail2ban
            time.sleep(0.05)
        print("SKIPPED: fail2ban does not start")
        return None

    def __init__(self, folder):
        self.folder = folder
        self.access_log, self.banned = folder / "access.log", folder / "banned"
        self.banned.mkdir(parents=True)
        (folder / "action.d").mkdir()
        (folder / "filter.d").symlink_to(FILTERS)
        self.access_log.touch()
        names = {"FOLDER": folder, "ACCESS": self.access_log, "BANNED": self.banned}
        files = {"fail2ban.conf": SERVER, "jail.conf": JAIL, "action.d/file.conf": ACTION}
        for file, text in files.items():
            for name, value in names.items():
                text = text.replace(name, str(value))
            (folder / file).write_text(text)
        options = ["-c", folder, "-s", folder / "socket", "-p", folder / "pid"]
        processes.start(["fail2ban-server", *options, "-f", "-x", "start"])
