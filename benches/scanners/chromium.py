"""A real browser that visits the site, driven over DevTools' pipe."""

import json
import os
import signal
import subprocess
import time

import site_files

# No name resolves, so nothing leaves the machine.
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
PAGES = 30
TIMEOUT = 60


class Chromium:
    """A headless browser with one tab."""

    def __init__(self, folder):
        read_commands, self.commands = os.pipe()
        self.events, write_events = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4.
        shell = f'exec chromium "$@" 3<&{read_commands} 4>&{write_events}'
        profile = f"--user-data-dir={folder / 'profile'}"
        self.process = subprocess.Popen(
            ["sh", "-c", shell, "chromium", *OPTIONS, profile, "about:blank"],
            pass_fds=(read_commands, write_events),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_commands)
        os.close(write_events)
        self.buffer, self.count, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        self.call("Page.enable")

    def message(self):
        while b"\0" not in self.buffer:
            read = os.read(self.events, 65536)
            if not read:
                raise ConnectionError("chromium ended")
            self.buffer += read
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self.count += 1
        command = {"id": self.count, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while (message := self.message()).get("id") != self.count:
            pass
        return message.get("result", {})

    def visit(self, url):
        """Opens a page and waits until it is loaded with its assets."""
        if self.call("Page.navigate", url=url).get("errorText"):
            return
        while self.message().get("method") != "Page.loadEventFired":
            pass

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.commands)
        os.close(self.events)


def visit(measurement):
    """Visits 30 pages, five of which are gone, and fetches JSON from one of them."""
    browser = Chromium(measurement.folder)
    deadline = time.monotonic() + TIMEOUT
    try:
        gone = [f"/2018/page-{number}" for number in range(5)]
        for path in site_files.PAGES[: PAGES - len(gone)] + gone:
            if time.monotonic() > deadline:
                print(f"note: chromium stopped after {TIMEOUT} s")
                return
            browser.visit(measurement.url + path)
        fetches = "Promise.all([1, 2, 3].map(n => fetch('/api/items/' + n).then(r => r.text())))"
        browser.call("Runtime.evaluate", expression=fetches, awaitPromise=True)
    finally:
        browser.close()
