"""The results as tables in Markdown."""

# A client counts as stopped if its last requests, at least so many, were all refused.
STOPPED = 10


class Cell:
    """The requests of one measurement."""

    def __init__(self, measurement):
        exchanges = measurement.exchanges()
        reached = [at for at, (reached, _) in enumerate(exchanges, 1) if reached]
        self.sent = len(exchanges)
        self.reached = len(reached)
        secrets = {secret for _, secret in exchanges if secret}
        self.secrets = len(secrets | ({"/search"} if measurement.has_password() else set()))
        last = reached[-1] if reached else 0
        self.stopped_after = last if self.sent - last >= STOPPED else None
        self.is_banned = measurement.is_banned()

    def of_scanner(self):
        stopped = "-" if self.stopped_after is None else f"{self.stopped_after:,}"
        return f"{self.reached:,} / {stopped} / {self.secrets}"

    def of_client(self):
        return f"{self.sent - self.reached}{', banned' if self.is_banned else ''}"


def print_table(title, columns, rows, format_cell):
    """Prints each row as soon as it is measured."""
    print(f"\n| {title} | app | sent | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 3) + "|", flush=True)
    for name, variant, cells in rows:
        sent = max(cell.sent for cell in cells)
        texts = " | ".join(format_cell(cell) for cell in cells)
        print(f"| {name} | {variant} | {sent:,} | {texts} |", flush=True)
