#!/usr/bin/env python3
"""Writes fuzz/seeds from ../shared/data: a few small inputs for each target.

Run it from the top of the workspace. Its output is committed; fuzz/README.md lists the sources and licenses.
"""

import base64
import json
import pathlib

DATA = pathlib.Path("../shared/data")
SEEDS = pathlib.Path("fuzz/seeds")
MAX_SIZE = 4096  # bytes


def write(target, seeds):
    """Writes seeds to files with names of three digits, and deletes earlier ones."""
    folder = SEEDS / target
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9][0-9]"):
        old.unlink()
    seeds = [seed for seed in dict.fromkeys(seeds) if 0 < len(seed) <= MAX_SIZE]
    assert 0 < len(seeds) <= 200, f"{target}: {len(seeds)} seeds"
    for number, seed in enumerate(seeds):
        (folder / f"{number:03}").write_bytes(seed)
    print(f"{target}: {len(seeds)}")


def records(path):
    return [json.loads(line) for line in (DATA / path).read_text().splitlines()]


def every(nth, items):
    return list(items)[::nth]


def targets():
    """Returns the request targets of paths/deny.tsv, with bytes beyond ASCII unescaped."""
    lines = (DATA / "paths/deny.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")][1:]
    return [row[2].encode("latin-1").decode("unicode_escape").encode("latin-1") for row in rows]


def head(target, *lines, method=b"GET"):
    start = method + b" " + target + b" HTTP/1.1\r\n"
    return start + b"".join(line + b"\r\n" for line in (b"host: localhost", *lines)) + b"\r\n"


def raw():
    """Returns the heads of llhttp's tests, each completed with an empty line."""
    heads = (base64.b64decode(record["raw_b64"]) for record in records("http-raw/llhttp_requests.ndjson"))
    return [one if b"\r\n\r\n" in one else one.rstrip(b"\r\n") + b"\r\n\r\n" for one in heads]


def requests():
    """Returns requests of a honeypot and of the Core Rule Set's tests, as heads."""
    chosen = records("requests/galah_honeypot.ndjson") + every(100, records("requests/crs_regression.ndjson"))
    for record in chosen:
        lines = [f"{name}: {value}".encode() for name, value in (record["headers"] or {}).items()
                 if name.lower() not in ("host", "content-length")]
        yield head(record["uri"].encode(), *lines, method=(record["method"] or "GET").encode())


def claim(peer, is_trusted, header, hops, private, *lines):
    """Encodes an input of `client_identity`: an IPv4 address, four small numbers, header lines."""
    numbers = bytes([1, *peer, is_trusted, header, hops, private])
    return numbers + b"".join(line + b"\r\n" for line in lines)


def claims():
    xff = b"x-forwarded-for: "
    for peer in ([10, 0, 0, 1], [203, 0, 113, 9]):
        yield claim(peer, 0, 0, 0, 0, xff + b"198.51.100.1, 203.0.113.7, 10.0.0.2")
        yield claim(peer, 1, 0, 0, 0, xff + b"198.51.100.1", xff + b"[2001:db8::1]:443, 192.0.2.1:80")
        yield claim(peer, 1, 0, 0, 0, xff + b"203.0.113.7, ::192.0.2.44")
        yield claim(peer, 1, 0, 2, 1, xff + b"unknown, 127.0.0.1,,10.1.1.1")
        yield claim(peer, 1, 0, 0, 0, xff + b'"1.2.3.4, 203.0.113.7", "::ffff:10.0.0.1"')
        yield claim(peer, 1, 1, 0, 0, b'forwarded: for="[2001:db8::17]:4711";by=10.0.0.1, for=192.0.2.60;proto=http')
        yield claim(peer, 1, 1, 0, 1, b"forwarded: for=_hidden, For=203.0.113.7", b"forwarded: for=unknown")
        yield claim(peer, 1, 2, 0, 0, b"cf-connecting-ip: 203.0.113.7")
        yield claim(peer, 1, 3, 0, 0, b"true-client-ip: 2001:db8::7")
        yield claim(peer, 1, 4, 0, 0, b"x-real-ip: 203.0.113.7", b"x-real-ip: 203.0.113.8")
        yield claim(peer, 1, 5, 0, 0, b"cloudfront-viewer-address: 203.0.113.7:46532")
        yield claim(peer, 1, 5, 0, 0, b"cloudfront-viewer-address: 2001:db8::7:46532")
    for peer in ([192, 168, 0, 9], [203, 0, 113, 9]):
        yield claim(peer, 0, 0, 0, 1, xff + b"203.0.113.7")
        yield claim(peer, 1, 0, 2, 0, xff + b"203.0.113.7, ,198.51.100.1,", xff)
        yield claim(peer, 1, 0, 0, 0, xff + b"64:ff9b::203.0.113.7, 10.0.0.2")
        yield claim(peer, 1, 0, 0, 0, xff + b"2001:0:c000:201:8000:f227:34ff:8ef8")
        yield claim(peer, 1, 1, 0, 0, rb'forwarded: host="a\";for=9.9.9.9, b";for="203.0.113.7";proto=http')


def framings():
    """Returns heads that fail because of one line."""
    for lines in (
        [b"content-length: 1", b"transfer-encoding: chunked"],
        [b"transfer-encoding: chunked", b"transfer-encoding: chunked"],
        [b"transfer-encoding: gzip, chunked"],
        [b"content-length: 1", b"content-length: 1"],
        [b"host: localhost"],
        [b"upgrade: websocket", b"connection: upgrade", b"sec-websocket-version: 13",
         b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="],
    ):
        yield head(b"/", *lines)
    yield head(b"*")
    yield head(b"*", method=b"OPTIONS")
    yield head(b"http://localhost:80/x")


def lists():
    for name in ("cloudflare_ipv4", "cloudflare_ipv6", "bing_ipv4"):
        yield (DATA / f"ip-feeds/lord_alfred_{name}.txt").read_bytes()
    yield b"".join((DATA / "ip-feeds/ipsum.txt").read_bytes().splitlines(True)[:40])
    aws = json.loads((DATA / "ip-feeds/aws_ip-ranges.json").read_text())
    for key in ("prefixes", "ipv6_prefixes"):
        aws[key] = aws[key][:6]
    yield json.dumps(aws, indent=2).encode()
    # Formats without a sample in the shared data.
    yield b'{"prefixes": [{"ipv4Prefix": "192.0.2.0/27"}, {"ipv6Prefix": "2001:db8::/64"}]}'
    yield b'{"cidr":"192.0.2.0/24","sblid":"x"}\n{"cidr":"2001:db8::/32"}\n{"type":"metadata"}\n'
    yield b"\xef\xbb\xbf192.0.2.0/24 ; SBL1\r\n\r\n# words\r\n198.51.100.0-198.51.100.99 7\r\n"
    yield b"10.0.0.0/30\n10.0.0.0/31\n10.0.0.2\n::ffff:10.0.0.1\n2001:db8::/126\n2001:db8::/127\n2001:db8::2\n"
    yield '{"prefixes": [{"é한": ""}]}'.encode()
    yield b"10.0.0.0/8\n10.1.0.0/16\n10.1.2.3\n10.0.0.0/8\n::ffff:10.1.0.0/112\n0.0.0.0/1\n255.255.255.255\n"


def chain_inputs():
    """Encodes inputs of `chain`: a policy, a peer, rules, an empty line, a head."""
    rules = [b"", b"names .env", b"prefix /public\nregex (?i)\\.php$", b"extensions php\nexact /admin",
             b"agents curl\nnames wp-login.php\nprefix /"]
    heads = [head(target) for target in every(4, targets())] + every(3, requests())
    for number, one in enumerate(heads):
        yield bytes([number % 4, number % 6]) + rules[number % len(rules)] + b"\n\n" + one
    for policy in range(4):
        yield bytes([policy, 0]) + b"\n\nGET /admin HTTP/1.1\r\nhost: evil.test\r\n\r\n"
        yield bytes([policy, 1]) + b"prefix /admin\n\n" + head(b"/admin")


def plans():
    """Encodes inputs of `limits`: a count, milliseconds in two bytes, a burst, a cost; then requests, each
    after a byte of 1."""
    step = lambda client, quarters, nanos=0: bytes([1, client, quarters, nanos])
    for limit in (bytes([20, 0xE8, 3, 20, 0]), bytes([1, 0x60, 0xEA, 1, 0]), bytes([7, 100, 0, 10, 3])):
        yield limit + step(0, 0) * 24
        yield limit + b"".join(step(n, n % 5, n) for n in range(40))
        yield limit + step(2, 0) * 8 + step(3, 0) * 8 + step(1, 255) + step(2, 3, 255) + step(2, 0, 1)


def message_inputs():
    """Encodes inputs of `messages`: a path, whether it is a text, rules, an empty line, a message."""
    rules = [
        b"contains=${jndi:\tcontains={{constructor\tignore_case\ncontains=DROP TABLE\tban",
        b"matches=(?i)<script[\\s>/]\tobserve\nmatches=(?i)\\bunion\\s+select\\b\ndepth=8",
        b"contains=evil\tpath=/admin\ncontains=EVIL\tall\tobserve\nmatches=e(vil|VIL)+$\tbinary\nlonger=40",
        b"matches=[0-9]{4}-[0-9]{2}\tobserve\nmatches=a.*b|c+d\nmatches=\\d\tpath=/chat/1",
        b"contains=a\tobserve\ncontains=ab\tobserve\ncontains=abcdef\ndepth=2\tobserve\ndepth=4",
        "matches=(?i)kiss\tobserve\nmatches=(?i-u:\\xe9)x\ncontains=\u00e9t\u00e9".encode(),
    ]
    payloads = [
        b'{"user":"${JNDI:ldap","text":"x; DROP TABLE users"}',
        b"{{Constructor <ScRiPt src=x> 1 UNION  SELECT 2",
        b'42["event",[[[[[[[[1]]]]]]]]]',
        b'{"text":"[[[[\\"[[[[","n":[1,-2.5e3,true,null,{"a":[{"b":[]}]}]}',
        b"evil EVIL evilEVILevil",
        b"2026-11-22 abcdefabcabaabbccdd",
        # By the rules of Unicode, this begins with `kiss` in another case.
        "\u212ai\u017fs \u00c9T\u00c9".encode() + b"\xe9x",
        b"<$$$$${${jndi<<<<<script{{constr",
        b"a" * 60 + b"b",
        b"",
    ]
    for number, rule in enumerate(rules):
        for other, payload in enumerate(payloads):
            yield bytes([number + other, 1 if other % 4 else number % 2]) + rule + b"\n\n" + payload


def expensive_heads():
    yield from every(2, (head(target) for target in targets()))
    yield from every(2, requests())
    yield head(b"/" + b"%25" * 300)
    yield head(b"/" + b"%2525252e%255c%253b/" * 40)
    yield head(b"/" + b"a;b/..\\%2e%2e/" * 60)
    yield head(b"/", b"x-forwarded-for: " + b"10.0.0.1, " * 200 + b"10.0.0.1")


write("chain", chain_inputs())
write("client_identity", claims())
write("cost", expensive_heads())
write("limits", plans())
write("list_files", lists())
write("messages", message_inputs())
write("protocol_heads", raw() + list(framings()) + [head(target) for target in every(8, targets())])
