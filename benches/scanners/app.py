"""The dynamic part of the demo app: a search with an SQL injection, an API, a login, a forum and an editor.

Prints its port. Responses have the header `X-App`: `page`, or `secret` if they contain a password hash.
"""

import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from site_files import HASH

KNOWN_ITEMS = range(1, 101)

database = sqlite3.connect(":memory:", check_same_thread=False)
# sqlmap delays a statement by making it create a gigabyte; this app reports an error instead.
database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
database.executescript(f"""
    CREATE TABLE products (kind TEXT, name TEXT, price TEXT);
    CREATE TABLE users (id INTEGER, name TEXT, hash TEXT);
    INSERT INTO products VALUES
        ('shoe', 'red shoe', '10'), ('shoe', 'blue shoe', '12'), ('hat', 'straw hat', '7');
    INSERT INTO users VALUES (1, 'alice', '{HASH}'), (2, 'bob', '{HASH[::-1]}');
    """)
lock = threading.Lock()


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query).get("q", [""])[0]
        first, _, rest = url.path[1:].partition("/")
        if url.path == "/search":
            self.search(query)
        elif url.path == "/forum/search":
            self.reply(200, f"<h1>Results</h1>{len(query)} letters, 3 threads")
        elif url.path == "/account":
            known = "session=" in self.headers.get("cookie", "")
            self.reply(200, "<h1>Account</h1>") if known else self.reply(302, "", location="/login")
        elif first == "api":
            self.api(rest)
        else:
            self.reply(
                200, f"<h1>{first}</h1><form method=post action=/login><input name=user></form>"
            )

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/login":
            good = b"password=correct" in body
            headers = {"location": "/account", "set-cookie": "session=8d1f; HttpOnly; Path=/"}
            self.reply(303, "", **headers) if good else self.reply(401, "<h1>Wrong password</h1>")
        elif self.path.startswith("/api/"):
            self.json(200, {"saved": len(body)})
        else:
            self.reply(303, "", location="/forum")

    do_PUT = do_POST

    def do_OPTIONS(self):
        self.send_response(204)
        self.send_header("x-app", "page")
        self.send_header("access-control-allow-origin", "https://shop.example")
        self.send_header("access-control-allow-methods", "GET, POST, PUT")
        self.send_header("access-control-allow-headers", "content-type")
        self.end_headers()

    def search(self, query):
        statement = f"SELECT name, price FROM products WHERE kind = '{query}'"
        try:
            with lock:
                rows = database.execute(statement).fetchall()
        except sqlite3.Error as error:
            self.reply(500, f"<h1>Error</h1>SQLite3::SQLException: {error}")
            return
        items = "".join(f"<li>{name}: {price}" for name, price in rows)
        self.reply(200, f"<h1>Results</h1><ul>{items}</ul>")

    def api(self, path):
        kind, _, number = path.partition("/")
        if kind == "items" and number.isdigit() and int(number) not in KNOWN_ITEMS:
            self.json(404, {"error": "no such item", "id": int(number)})
        else:
            self.json(200, {kind: number, "text": "x" * (len(path) * 3)})

    def json(self, status, value):
        self.reply(status, json.dumps(value), **{"content-type": "application/json"})

    def reply(self, status, text, **headers):
        body = text.encode(errors="replace")
        self.send_response(status)
        for name, value in ({"content-type": "text/html; charset=utf-8"} | headers).items():
            self.send_header(name, value)
        self.send_header("x-app", "secret" if HASH in text else "page")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # A client that does not wait for its response.


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), App)
    print(server.server_port, flush=True)
    server.serve_forever()
