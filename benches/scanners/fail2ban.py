"""fail2ban with its own configuration, socket and database, apart from those of the system.

The jail is `nginx-botsearch` as shipped, over nginx's access log. A ban creates a file, which nginx checks
for each request: this takes effect at once, without a firewall and without a reload of nginx.
"""

import shutil
import subprocess
import time

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
        fail2ban.close()
        return None

    def __init__(self, folder):
        self.folder = folder
        self.access_log, self.banned = folder / "access.log", folder / "banned"
        self.banned.mkdir(parents=True)
        (folder / "action.d").mkdir()
        (folder / "filter.d").symlink_to(FILTERS)
        self.access_log.touch()
        for file, text in (("fail2ban.conf", SERVER), ("jail.conf", JAIL), ("action.d/file.conf", ACTION)):
            for name, value in (("FOLDER", folder), ("ACCESS", self.access_log), ("BANNED", self.banned)):
                text = text.replace(name, str(value))
            (folder / file).write_text(text)
        command = ["fail2ban-server", "-c", folder, "-s", folder / "socket", "-p", folder / "pid", "-f", "-x", "start"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self):
        self.process.terminate()
        self.process.wait(20)
