"""Trains an instrumented proxy with other requests than those that benches/proxy measures.

    train.py guard|hyper PROGRAM SECONDS

`hyper` is the bench program of benches/proxy, which serves as a proxy of hyper alone: it gets neither WebSockets nor TLS.
Needs nginx, wrk, h2load, openssl, and websockets for Python. All servers listen on loopback and end with this program; the proxy
ends by SIGTERM, and then writes its profile.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "scanners"))
import websockets
from processes import end, free_port, start, wait_for

NGINX = """
daemon off; pid FOLDER/pid; error_log stderr crit; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/temp; fastcgi_temp_path FOLDER/temp;
  uwsgi_temp_path FOLDER/temp; scgi_temp_path FOLDER/temp;
  server {
    listen 127.0.0.1:PORT;
    root FOLDER/root;
    location /files/ { add_header Cache-Control "public, max-age=600"; }
    location /accepted/ { return 201 '{"id":17,"state":"accepted"}'; }
    location /sockets/ {
      proxy_pass http://127.0.0.1:ECHO;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
    }
  }
}
"""

POLICY = """
version = 1
packs = ["never"]

[client]
trusted_proxies = ["127.0.0.0/8"]

[ban]
networks = ["203.0.113.128/25", "2001:db8::/48"]

[[deny]]
id = "denied"
prefix = "/denied"

[[limit]]
id = "per-client"
rate = "1000000/s"

[[message]]
id = "scripts"
matches = ['(?i)<script']

[scan]
mode = "observe"
"""

# Bytes of the files that the upstream server has, none of them as long as the answers of benches/proxy.
FILE_SIZES = [40, 700, 3_000, 9_000, 30_000, 150_000]
SOCKETS = 16


def main():
    proxy, program, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    folder = tempfile.mkdtemp(prefix="gabion-pgo-")
    try:
        asyncio.run(train(proxy, program, seconds, folder))
    finally:
        shutil.rmtree(folder)


async def train(proxy, program, seconds, folder):
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        upstream = start_nginx(folder, port)
        plain, tls = free_port(), free_port()
        if proxy == "guard":
            command = guard_command(program, folder, upstream, plain, tls)
        else:
            command = [program, "--plain-hyper", f"127.0.0.1:{plain}", f"127.0.0.1:{upstream}"]
        trained = start(command)
        wait_for(plain)
        await run("wrk", "-t1", "-c40", f"-d{seconds}s", "-s", f"{HERE}/mix.lua", f"http://127.0.0.1:{plain}")
        if proxy == "guard":
            await talk(f"ws://127.0.0.1:{plain}/sockets/chat", seconds)
            wait_for(tls)
            await load_tls(tls, seconds)
        end(trained)


def start_nginx(folder, echo_port):
    os.makedirs(f"{folder}/root/files")
    for nth, size in enumerate(FILE_SIZES):
        with open(f"{folder}/root/files/{nth}.bin", "wb") as file:
            file.write(bytes(nth + 65 for _ in range(size)))
    os.chmod(folder, 0o755)
    port = free_port()
    text = NGINX.replace("FOLDER", folder).replace("PORT", str(port)).replace("ECHO", str(echo_port))
    path = f"{folder}/nginx.conf"
    with open(path, "w") as file:
        file.write(text)
    start([shutil.which("nginx") or "/usr/sbin/nginx", "-c", path])
    wait_for(port)
    return port


def guard_command(program, folder, upstream, plain, tls):
    with open(f"{folder}/policy.toml", "w") as file:
        file.write(POLICY)
    certificate = [f"{folder}/chain.pem", f"{folder}/key.pem"]
    openssl = "openssl req -x509 -nodes -days 2 -subj /CN=shop.example -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    subprocess.run(
        openssl.split() + ["-out", certificate[0], "-keyout", certificate[1]],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return [
        *[program, "--workers", "1", "--policy", f"{folder}/policy.toml"],
        *["--listen", f"127.0.0.1:{plain}", "--upstream", f"http://127.0.0.1:{upstream}"],
        *["--listen-tls", f"127.0.0.1:{tls}", "--tls-cert", certificate[0], "--tls-key", certificate[1]],
    ]


async def load_tls(port, seconds):
    """Full handshakes, then requests over HTTP/2 and HTTP/1.1."""
    await run("openssl", "s_time", "-new", "-connect", f"127.0.0.1:{port}", "-time", "2")
    urls = [f"https://127.0.0.1:{port}/{path}" for path in ["files/1.bin", "missing/1", "files/3.bin?v=2"]]
    headers = ["-H", "accept: */*", "-H", "x-forwarded-for: 198.51.100.77", "-H", "x-request-id: 6f1c"]
    for protocol in [["-c8", "-m10"], ["--h1", "-c20"]]:
        await run("h2load", "-t1", f"-D{max(1, seconds // 2)}", *protocol, *headers, *urls)


async def run(*command):
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    if process.returncode:
        sys.exit(f"{command[0]} failed: {output.decode()}")
    print(output.decode())


async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)


async def talk(url, seconds):
    """Sends messages of several lengths, text and binary, on some sockets."""
    async def client(nth):
        texts = ["ok", f'{{"client":{nth},"list":[{"1," * 150}0]}}', "é" * 2_000]
        messages = [*texts, bytes(10 * nth), bytes(20_000)]
        end_time = asyncio.get_running_loop().time() + seconds / 2
        async with websockets.connect(url, compression=None) as socket:
            while asyncio.get_running_loop().time() < end_time:
                for message in messages:
                    await socket.send(message)
                    if await socket.recv() != message:
                        sys.exit("another echo than the message")

    await asyncio.gather(*[client(nth) for nth in range(SOCKETS)])


main()
