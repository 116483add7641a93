"""The files of the demo site: pages with assets, the word lists, and secrets that no page links to."""

import random

PRODUCTS = range(1, 21)
POSTS = range(1, 16)
PAGES = (
    ["/", "/about", "/contact", "/products", "/blog", "/shipping"]
    + [f"/products/{number}" for number in PRODUCTS]
    + [f"/blog/post-{number}" for number in POSTS]
)
ASSETS = ["/assets/app.js", "/assets/style.css", "/assets/logo.svg", "/assets/hero.png"]
SECRETS = ["/.env.bak", "/admin.php.old", "/backup.zip", "/console", "/reports"]

# The hash of a user's password, in the database that the search reads.
HASH = "5f4dcc3b5aa765d61d8327deb882cf99"

DIRB_WORDS = "/usr/share/dirb/wordlists/common.txt"

SCRIPT = "document.title += ' | shop';"


def page(path):
    """Returns the HTML of a page, with links to all others."""
    links = "".join(f'<li><a href="{other}">{other}</a>' for other in PAGES)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{path}</title><link rel=stylesheet href=/assets/style.css>"
        f"<script defer src=/assets/app.js></script><h1>{path}</h1><img src=/assets/logo.svg alt=logo>"
        f"<p>{path * 20}<img src=/assets/hero.png alt=hero><ul>{links}</ul>"
        "<form action=/search><input name=q></form><form action=/forum/search><input name=q></form></html>"
    )


def write(folder):
    """Writes the site into `folder`. `/app.html` is the page of the single-page app."""
    for path in PAGES:
        name = "index" if path == "/" else path[1:]
        file = folder / f"{name}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page(path))
    (folder / "app.html").write_text(page("/app"))
    for path in ASSETS + ["/favicon.ico"]:
        file = folder / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            SCRIPT if path.endswith(".js") else "" if path.endswith(".css") else "<svg/>"
        )
    (folder / "robots.txt").write_text("User-agent: *\nDisallow: /account\n")
    for path in SECRETS:
        (folder / path[1:]).write_text(f"<p>internal: {path}\n")


def write_words(folder):
    """Writes the word lists of the scanners into `folder`: dirb's own list with the secrets at random
    places, and its variations. Returns the number of words, or 0 if dirb is not installed."""
    try:
        words = open(DIRB_WORDS, encoding="latin-1").read().split("\n")
    except FileNotFoundError:
        return 0
    words = [word for word in words if word and not word.startswith("#")]
    chance = random.Random(7)
    for secret in SECRETS:
        words.insert(chance.randrange(len(words)), secret[1:])
    pages = [path[1:] for path in PAGES[1:]]
    shuffled = chance.sample(words, len(words))
    interleaved = [
        entry
        for at, word in enumerate(words)
        for entry in (pages[2 * at % len(pages)], pages[(2 * at + 1) % len(pages)], word)
    ]
    for name, entries in {
        "words": words,
        "shuffled": shuffled,
        "pages-first": pages[:12] + words,
        "interleaved": interleaved,
    }.items():
        (folder / name).write_text("\n".join(entries) + "\n", encoding="latin-1")
    return len(words)
