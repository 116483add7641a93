"""WebSocket echo server with permessage-deflate, from python3-websockets of Debian. Prints its address."""

import asyncio
import logging

import websockets

logging.disable(logging.CRITICAL)  # the suite sends invalid frames on purpose


async def echo(socket, _path=None):
    try:
        async for message in socket:
            await socket.send(message)
    except websockets.ConnectionClosed:
        pass


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
        print("%s:%d" % server.sockets[0].getsockname(), flush=True)
        await asyncio.Future()


asyncio.run(main())
