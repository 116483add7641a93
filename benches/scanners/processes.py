"""Servers that end at the latest when the bench does."""

import atexit
import socket
import subprocess
import sys
import time


def start(command, output=subprocess.DEVNULL, errors=subprocess.DEVNULL):
    command = [str(part) for part in command]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, text=True
    )
    atexit.register(end, process)
    return process


def end(process):
    """Ends a process, unless it has ended."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    """Waits until a server listens on `port`."""
    for _ in range(500):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"no server listens on 127.0.0.1:{port}")
