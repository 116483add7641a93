"""Scanners, each as its documentation shows it, and the ways in which one hides."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
# What Chromium sends for a page that the user asks for, beside its agent.
PAGE_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.9",
    "Sec-Ch-Ua": '"Chromium";v="142", "Not_A Brand";v="99"',
    "Sec-Ch-Ua-Mobile": "?0",
    "Sec-Ch-Ua-Platform": '"Linux"',
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-User": "?1",
    "Upgrade-Insecure-Requests": "1",
}

# A tool that takes longer is killed; the requests it sent until then count.
TIMEOUT = 30

# A slow tool that is refused so many times in a row is killed as well.
REFUSALS = 200
SLOW = {"nmap", "whatweb"}

NMAP_SCRIPTS = "http-* and not external and not brute and not dos and not fuzzer"


@dataclass
class Scanner:
    """A row: a tool with an agent (`None` is the tool's own) and further headers."""

    program: str
    variation: str = ""
    agent: str | None = CHROME
    headers: dict = field(default_factory=dict)
    words: str = "words"
    options: tuple = ()
    variants: tuple = ("404", "SPA")

    @property
    def needs_words(self):
        return self.program in ("dirb", "ffuf", "gobuster")

    @property
    def name(self):
        own = "browser's agent" if self.agent else "default agent"
        return f"{self.program}, {self.variation or own}"

    def run(self, measurement):
        run_tool(COMMANDS[self.program](self, measurement), measurement)


def run_tool(command, measurement):
    """Runs a tool in a process group of its own, which ends with it."""
    folder = measurement.folder
    command = [str(part) for part in command]
    home = os.environ | {"HOME": str(folder), "http_proxy": "", "no_proxy": "*"}
    with open(folder / "tool.out", "w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        deadline = time.monotonic() + TIMEOUT
        try:
            while process.poll() is None:
                if command[0] in SLOW and measurement.refusals() >= REFUSALS:
                    break
                if time.monotonic() > deadline:
                    print(f"note: {command[0]} was killed after {TIMEOUT} s")
                    break
                time.sleep(0.1)
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def headers(option, scanner):
    lines = [f"{name}: {value}" for name, value in scanner.headers.items()]
    return [part for line in lines for part in (option, line)]


def agent(option, scanner):
    return [option, scanner.agent] if scanner.agent else []


def ffuf(scanner, measurement):
    words = measurement.testbed.folder / scanner.words
    command = f"ffuf -s -w {words} -u {measurement.url}/FUZZ".split()
    own_agent = ["-H", f"User-Agent: {scanner.agent}"] if scanner.agent else []
    return [*command, *own_agent, *headers("-H", scanner), *scanner.options]


def gobuster(scanner, measurement):
    words = measurement.testbed.folder / scanner.words
    command = f"gobuster dir -q -z -w {words} -u {measurement.url}".split()
    # It refuses to scan an app that answers 200 to anything unless that answer is excluded.
    length = measurement.page_length()
    excluded = ["--exclude-length", length] if length else []
    return [*command, *excluded, *agent("-a", scanner), *headers("-H", scanner)]


def dirb(scanner, measurement):
    words = measurement.testbed.folder / scanner.words
    command = f"dirb {measurement.url} {words} -S -r -w".split()
    return [*command, *agent("-a", scanner), *headers("-H", scanner)]


def nmap(scanner, measurement):
    # Scripts for HTTP run on ports with this name.
    port = measurement.port
    (measurement.folder / "nmap-services").write_text(f"http {port}/tcp 1.0\n")
    command = f"nmap -n -Pn -sT -p {port} --datadir {measurement.folder} 127.0.0.1".split()
    limits = f"--script-timeout {TIMEOUT}s --host-timeout {TIMEOUT}s".split()
    own_agent = ["--script-args", f"http.useragent={scanner.agent}"] if scanner.agent else []
    return [*command, "--script", NMAP_SCRIPTS, *limits, *own_agent]


def sqlmap(scanner, measurement):
    command = f"sqlmap -u {measurement.url}/search?q=shoe --batch --dump -T users".split()
    output = f"--flush-session --disable-coloring --output-dir {measurement.folder}/sqlmap".split()
    lines = "\\n".join(f"{name}: {value}" for name, value in scanner.headers.items())
    own_headers = ["--headers", lines] if lines else []
    return [*command, *output, *agent("--user-agent", scanner), *own_headers, *scanner.options]


def whatweb(scanner, measurement):
    command = f"whatweb -a 4 --color never {measurement.url}".split()
    return [*command, *agent("-U", scanner), *headers("-H", scanner)]


COMMANDS = {
    "dirb": dirb,
    "ffuf": ffuf,
    "gobuster": gobuster,
    "nmap": nmap,
    "sqlmap": sqlmap,
    "whatweb": whatweb,
}

VERSIONS = {
    "dirb": "",
    "ffuf": "-V",
    "gobuster": "version",
    "nmap": "--version",
    "sqlmap": "--version",
    "whatweb": "--version",
    "wget": "--version",
    "chromium": "--version",
    "nginx": "-v",
    "fail2ban-server": "--version",
}

BROWSER = {"agent": CHROME, "headers": PAGE_HEADERS}
SCANNERS = [
    Scanner(program, agent=agent)
    for program in ("ffuf", "gobuster", "dirb", "nmap", "whatweb", "sqlmap")
    for agent in (None, CHROME)
] + [
    Scanner("ffuf", "browser's headers", **BROWSER),
    Scanner("ffuf", "foreign Referer", headers={"Referer": "https://news.example/"}),
    Scanner("ffuf", "cross-site", CHROME, PAGE_HEADERS | {"Sec-Fetch-Site": "cross-site"}),
    Scanner("ffuf", "12 pages first", **BROWSER, words="pages-first", options=("-t", "1")),
    Scanner("ffuf", "two pages per word", **BROWSER, words="interleaved", options=("-t", "10")),
    Scanner("ffuf", "shuffled list", **BROWSER, words="shuffled"),
    Scanner("ffuf", "session cookie", CHROME, PAGE_HEADERS | {"Cookie": "session=8d1f"}),
    Scanner("ffuf", "by HEAD", **BROWSER, options=("-X", "HEAD")),
    Scanner("sqlmap", "browser's headers", **BROWSER),
    Scanner("sqlmap", "cross-site", CHROME, PAGE_HEADERS | {"Sec-Fetch-Site": "cross-site"}),
    Scanner("sqlmap", "spaces as comments", options=("--tamper=space2comment",)),
    Scanner("sqlmap", "blind only", options=("--technique=B",)),
]


def versions():
    """Returns the installed tools with their versions, and prints a note for each that is missing."""
    found = {}
    for program, option in VERSIONS.items():
        if not shutil.which(program):
            print(f"SKIPPED: {program}; install the package {program.removesuffix('-server')}")
            continue
        command = [program, option]
        output = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        words = (output.stdout + output.stderr).split()
        number = next((word for word in words if re.search(r"\d\.\d", word)), "?")
        found[program] = number.strip("v(),").removeprefix("nginx/")
    return found
