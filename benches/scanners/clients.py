"""Honest clients: none of their requests should be refused."""

import http.client
import json
from dataclasses import dataclass
from typing import Callable

import chromium
import site_files
from tools import CHROME, PAGE_HEADERS, run_tool

HOST = "app.example"
VISITOR = "203.0.113.7"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

# Addresses of a former version of the site, which links and search engines still have.
MOVED = (
    [f"/2019/0{month}/summer-sale" for month in range(1, 10)]
    + [f"/shop/category-{number}.html" for number in range(1, 10)]
    + ["/team", "/jobs"]
)


class Session:
    """One connection with the headers of one program."""

    def __init__(self, port, agent, client=None, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.headers = {"Host": HOST, "User-Agent": agent, "Accept": "*/*"} | headers
        if client:
            self.headers["X-Forwarded-For"] = client
        self.cookie = None

    def send(self, path, method="GET", body=None, **headers):
        """Sends a request, keeps the cookie of its response, and returns the status."""
        headers = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            headers["Cookie"] = self.cookie
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        response.read()
        if cookie := response.getheader("set-cookie"):
            self.cookie = cookie.split(";")[0]
        return response.status


class Browser(Session):
    """Sends what Chromium sends, and loads each asset once."""

    def __init__(self, port, client=None):
        super().__init__(port, CHROME, client, **{"Accept-Encoding": "gzip, deflate, br, zstd"})
        self.loaded = set()

    def visit(self, path, **headers):
        self.send(
            path,
            **PAGE_HEADERS
            | {"Sec-Fetch-Site": "same-origin", "Referer": f"http://{HOST}/"}
            | headers,
        )
        for asset in site_files.ASSETS + ["/favicon.ico"]:
            if asset not in self.loaded:
                self.loaded.add(asset)
                self.asset(asset)

    def asset(self, path, kind="image"):
        headers = {"Accept": "image/avif,image/webp,*/*;q=0.8", "Referer": f"http://{HOST}/"}
        self.send(
            path, **PAGE_HEADERS | headers | {"Sec-Fetch-Dest": kind, "Sec-Fetch-Mode": "no-cors"}
        )

    def fetch(self, path, method="GET", body=None, **headers):
        own = {
            "Accept": "application/json",
            "Referer": f"http://{HOST}/",
            "Content-Type": "application/json",
        }
        fetch = {
            "Sec-Fetch-Dest": "empty",
            "Sec-Fetch-Mode": "cors",
            "Sec-Fetch-Site": "same-origin",
        }
        language = {"Accept-Language": PAGE_HEADERS["Accept-Language"]}
        self.send(path, method, body, **own | fetch | language | headers)


def warm_up(measurement):
    """Another visitor: the guard has seen the site before."""
    browser = Browser(measurement.front_port, VISITOR)
    for path in site_files.PAGES[:12]:
        browser.visit(path)
    browser.send("/search?q=hat")
    browser.fetch("/api/feed")


def visitor(measurement):
    """Reads the site for a while, follows eight dead links, signs in after one wrong password."""
    browser = Browser(measurement.port)
    for path in site_files.PAGES:
        browser.visit(path)
    for path in MOVED[::3][:8]:
        browser.visit(path)
        browser.visit("/")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}"}
    for password in ("wrong", "correct"):
        browser.visit("/login")
        browser.send("/login", "POST", f"user=a&password={password}", **PAGE_HEADERS | form)
    browser.visit("/account")
    for number in range(1, 60):
        browser.fetch(f"/api/items/{number}")
        browser.visit(f"/search?q=shoe+{number}")


def old_tab(measurement):
    """A tab that stayed open over a deployment: its script asks for 30 files that are gone."""
    browser = Browser(measurement.port)
    browser.visit("/")
    for number in range(30):
        browser.asset(f"/assets/chunk-{number * 7919:06x}.js", "script")
    browser.visit("/")


def wget(measurement):
    """Mirrors the site."""
    run_tool(
        ["wget", "-r", "-l", "3", "-q", "-P", str(measurement.folder), measurement.url], measurement
    )


def api_client(measurement):
    """Looks up 100 ids, half of which do not exist."""
    client = Session(
        measurement.port, "python-requests/2.32.3", **{"Accept-Encoding": "gzip, deflate"}
    )
    for number in range(1, 101):
        client.send(f"/api/items/{number * 997 % 200 + 1}")


def api_lookups(measurement):
    """Looks up 27 ids, of which the first 15 do not exist."""
    client = Session(measurement.port, "okhttp/4.12.0", **{"Accept-Encoding": "gzip"})
    for number in [*range(200, 215), *range(1, 13)]:
        client.send(f"/api/items/{number}")


def sync(measurement):
    """An app's sync: alternates between an item that was deleted and one that exists."""
    client = Session(
        measurement.port, "ShopApp/3.1 (iPhone; iOS 18.1)", **{"Accept-Language": "en-US"}
    )
    for number in range(1, 21):
        client.send(f"/api/items/{200 + number}")
        client.send(f"/api/items/{number}")
    client.send("/api/sync", "POST", json.dumps({"items": 20}), Content_Type="application/json")


def crawler(measurement):
    """A search engine: 20 moved addresses among 40 pages."""
    client = Session(measurement.port, GOOGLEBOT, **{"Accept-Encoding": "gzip, deflate, br"})
    client.send("/robots.txt")
    for number, path in enumerate(site_files.PAGES):
        client.send(path)
        if number < 20:
            client.send(MOVED[number])


def recrawl(measurement):
    """A search engine that checks 20 moved addresses first."""
    client = Session(measurement.port, GOOGLEBOT, **{"Accept-Encoding": "gzip, deflate, br"})
    for path in [*MOVED[:20], *site_files.PAGES[:10]]:
        client.send(path)


def link_checker(measurement):
    """Checks the links of a page by HEAD; half of them are dead."""
    agent = "LinkChecker/10.2 (+https://linkchecker.github.io/linkchecker/)"
    client = Session(measurement.port, agent)
    for moved, page in zip(MOVED[:12], site_files.PAGES):
        client.send(moved, "HEAD")
        client.send(page, "HEAD")


def feed_reader(measurement):
    """Polls a feed that was removed, and one that exists."""
    client = Session(measurement.port, "FreshRSS/1.24.3 (Linux; https://freshrss.org)")
    for _ in range(40):
        client.send("/blog/feed.xml")
        client.send("/blog")


def office(measurement):
    """Twelve visitors behind one address, who follow three dead links each."""
    browsers = [Browser(measurement.port) for _ in range(12)]
    for turn in range(10):
        for number, browser in enumerate(browsers):
            browser.visit(site_files.PAGES[(number * 3 + turn) % len(site_files.PAGES)])
            if turn % 3 == 2:
                browser.visit(f"/intranet/{number}/page-{turn}")


def outage(measurement):
    """Visits the site while it answers everyone with 503 for a time, and loads pages again."""
    browser = Browser(measurement.port)
    for is_outage in (False, True, False):
        if is_outage:
            measurement.set_outage(True)
            warm_up(measurement)
        for path in site_files.PAGES[:25]:
            browser.visit(path)
        if is_outage:
            for number in range(1, 10):
                browser.fetch(f"/api/items/{number}")
            measurement.set_outage(False)


def deep_links(measurement):
    """A user of the single-page app: 30 links, each answered by the same page, whose script fetches JSON."""
    browser = Browser(measurement.port)
    for number in range(30):
        browser.visit(f"/orders/{number * 31}/details")
        browser.fetch("/api/session")
        browser.fetch(f"/api/orders/{number * 31}")


def deep_links_only(measurement):
    """The same with a fresh tab per link and everything in the cache but the page."""
    browser = Browser(measurement.port)
    browser.visit("/")
    for number in range(30):
        browser.send(f"/orders/{number * 31}/details", **PAGE_HEADERS)


def editor(measurement):
    """Writes about SQL and HTML: searches and saves texts that contain statements."""
    browser = Browser(measurement.port)
    browser.visit("/login")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}"}
    browser.send("/login", "POST", "user=a&password=correct", **PAGE_HEADERS | form)
    for words in (
        "select+from",
        "select+*+from+users+where+id%3D1",
        "how+to+union+select+two+tables",
        "drop+table+if+exists",
        "order+by+1",
        "it%27s+a+null+and+1%3D1",
        "%3Cscript%3E+tag+in+html",
        "onclick%3D+handler",
        "insert+into+values",
        "what+does+%27+or+%271%27%3D%271+mean",
        "xp_cmdshell",
        "sleep(5)+in+mysql",
        "alert(1)",
        "information_schema",
    ):
        browser.visit(f"/forum/search?q={words}")
        browser.visit(f"/editor/post?id=12&action=edit&title={words}")
        browser.send("/editor/save", "POST", f"text={words}", **PAGE_HEADERS | form)


def preflights(measurement):
    """A script on another origin: OPTIONS before each request, as CORS demands."""
    browser = Browser(measurement.port)
    cross = {
        "Origin": "https://shop.example",
        "Referer": "https://shop.example/",
        "Sec-Fetch-Site": "cross-site",
    }
    for number in range(1, 31):
        wanted = {
            "Access-Control-Request-Method": "PUT",
            "Access-Control-Request-Headers": "content-type",
        }
        browser.fetch(f"/api/items/{number}", "OPTIONS", **cross | wanted)
        browser.fetch(f"/api/items/{number}", "PUT", '{"count": 1}', **cross)


@dataclass
class Client:
    """A row: an honest client. `program` must be installed."""

    name: str
    run: Callable
    variants: tuple = ("404", "SPA")
    program: str | None = None
    needs_words = False


CLIENTS = [
    Client("chromium, 30 pages", chromium.visit, program="chromium"),
    Client("visitor", visitor),
    Client("old tab", old_tab),
    Client("wget -r", wget, program="wget"),
    Client("API client", api_client),
    Client("API lookups", api_lookups),
    Client("app's sync", sync),
    Client("search engine", crawler),
    Client("search engine, moved first", recrawl),
    Client("link checker", link_checker),
    Client("feed reader", feed_reader),
    Client("office", office),
    Client("outage", outage),
    Client("SPA, deep links", deep_links, ("SPA",)),
    Client("SPA, only deep links", deep_links_only, ("SPA",)),
    Client("editor", editor),
    Client("preflights", preflights),
]
