"""Scanners, each as its documentation shows it, and the ways in which one hides."""

import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field

CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
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
TIMEOUT = 60

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
    def name(self):
        agent = self.variation or ("browser's agent" if self.agent else "default agent")
        return f"{self.program}, {agent}"

    def run(self, measurement):
        run_tool(COMMANDS[self.program](self, measurement), measurement)


def run_tool(command, measurement):
    """Runs a tool in a process group of its own, which ends with it."""
    folder = measurement.folder
    command = [str(part) for part in command]
    home = os.environ | {"HOME": str(folder), "http_proxy": "", "no_proxy": "*"}
    with open(folder / "tool.out", "w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=home, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
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
    return [part for name, value in scanner.headers.items() for part in (option, f"{name}: {value}")]


def ffuf(scanner, measurement):
    agent = ["-H", f"User-Agent: {scanner.agent}"] if scanner.agent else []
    return [
        "ffuf", "-s", "-w", measurement.words_folder / scanner.words, "-u", f"{measurement.url}/FUZZ",
        *agent, *headers("-H", scanner), *scanner.options,
    ]


def gobuster(scanner, measurement):
    agent = ["-a", scanner.agent] if scanner.agent else []
    # It refuses to scan an app that answers 200 to anything unless that answer is excluded.
    status = ["--exclude-length", measurement.page_length] if measurement.page_length else []
    return [
        "gobuster", "dir", "-q", "-z", "-w", measurement.words_folder / scanner.words, "-u", measurement.url,
        *status, *agent, *headers("-H", scanner),
    ]


def dirb(scanner, measurement):
    agent = ["-a", scanner.agent] if scanner.agent else []
    return [
        "dirb", measurement.url, measurement.words_folder / scanner.words, "-S", "-r", "-w",
        *agent, *headers("-H", scanner),
    ]


def nmap(scanner, measurement):
    # Scripts for HTTP run on ports with this name.
    (measurement.folder / "nmap-services").write_text(f"http {measurement.port}/tcp 1.0\n")
    agent = ["--script-args", f"http.useragent={scanner.agent}"] if scanner.agent else []
    return [
        "nmap", "-n", "-Pn", "-sT", "-p", measurement.port, "--datadir", measurement.folder, "--script", NMAP_SCRIPTS,
        "--script-timeout", "40s", "--host-timeout", "100s", *agent, "127.0.0.1",
    ]


def sqlmap(scanner, measurement):
    agent = ["--user-agent", scanner.agent] if scanner.agent else []
    extra = "\\n".join(f"{name}: {value}" for name, value in scanner.headers.items())
    return [
        "sqlmap", "-u", f"{measurement.url}/search?q=shoe", "--batch", "--dump", "-T", "users", "--flush-session",
        "--disable-coloring", "--output-dir", measurement.folder / "sqlmap", *agent,
        *(["--headers", extra] if extra else []), *scanner.options,
    ]


def whatweb(scanner, measurement):
    agent = ["-U", scanner.agent] if scanner.agent else []
    return ["whatweb", "-a", "4", "--color", "never", *agent, *headers("-H", scanner), measurement.url]


COMMANDS = {
    "dirb": dirb, "ffuf": ffuf, "gobuster": gobuster, "nmap": nmap, "sqlmap": sqlmap, "whatweb": whatweb,
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
    Scanner("ffuf", "by HEAD", **BROWSER, options=("-X", "HEAD")),
    Scanner("sqlmap", "browser's headers", **BROWSER),
    Scanner("sqlmap", "cross-site", CHROME, PAGE_HEADERS | {"Sec-Fetch-Site": "cross-site"}),
    Scanner("sqlmap", "spaces as comments", options=("--tamper=space2comment",)),
    Scanner("sqlmap", "blind only", options=("--technique=B",)),
]


def versions():
    """Returns the installed tools with their versions, and prints a note for each that is missing."""
    found = {}
    for program, option in (
        ("dirb", None), ("ffuf", "-V"), ("gobuster", "version"), ("nmap", "--version"), ("sqlmap", "--version"),
        ("whatweb", "--version"), ("wget", "--version"), ("chromium", "--version"), ("nginx", "-v"),
        ("fail2ban-server", "--version"),
    ):
        if not shutil.which(program):
            print(f"SKIPPED: {program}; install the package {program.removesuffix('-server')}")
            continue
        command = [program, *([option] if option else [])]
        text = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        lines = (text.stdout + text.stderr).split("\n")
        number = next((word for line in lines for word in line.split() if re.search(r"\d\.\d", word)), "?")
        found[program] = number.strip("v(),").removeprefix("nginx/")
    return found
