"""A WebSocket server that logs each frame, and clients that say all kinds of things to it.

    websocket_peers.py serve LOG      prints its port; one JSON object a frame goes to LOG
    websocket_peers.py talk PORT      prints how many connections there were
"""

import asyncio
import json
import signal
import sys

from websockets.legacy.client import connect
from websockets.legacy.server import WebSocketServerProtocol
from websockets.legacy.server import serve as listen


def server_class(log):
    def note(peer, sender, fin, opcode, data):
        record = {"peer": peer, "from": sender, "fin": fin, "opcode": int(opcode), "bytes": len(data)}
        log.write(json.dumps(record) + "\n")
        log.flush()

    class Logging(WebSocketServerProtocol):
        """Extensions are undone in what is read, and not done yet in what is written."""

        async def read_frame(self, max_size):
            frame = await super().read_frame(max_size)
            note(self.remote_address[1], "client", frame.fin, frame.opcode, frame.data)
            return frame

        def write_frame_sync(self, fin, opcode, data):
            note(self.remote_address[1], "server", fin, opcode, data)
            super().write_frame_sync(fin, opcode, data)

    return Logging


async def answer(connection, path=None):
    async for message in connection:
        if message == "ping me":
            await (await connection.ping(b"are you there"))
        elif message == "in pieces":
            await connection.send(iter_pieces(["one ", "two " * 200, "", "three"]))
        elif message == "leave":
            await connection.close(4001, "as you wish")
        else:
            await connection.send(message)


async def iter_pieces(pieces):
    for piece in pieces:
        yield piece


async def serve(path):
    stop = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set_result, None)
    with open(path, "w") as log:
        protocol = server_class(log)
        async with listen(
            answer, "127.0.0.1", 0, create_protocol=protocol, max_size=None, ping_interval=None
        ) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await stop


async def talk_once(port, compression, leave):
    address = f"ws://127.0.0.1:{port}/talk"
    async with connect(
        address, compression=compression, max_size=None, ping_interval=None
    ) as connection:
        text = json.dumps([{"id": number, "state": "ok"} for number in range(300)])
        for message in ["", "hello", "gr\u00fc\u00dfe", text, text, b"", bytes(range(256)), b"\0" * 70_000]:
            await connection.send(message)
            assert await connection.recv() == message
        await connection.send(iter_pieces(["some ", "frag", "", "ments " * 50]))
        assert await connection.recv() == "some fragments " + "ments " * 49
        await connection.send("in pieces")
        assert await connection.recv() == "one " + "two " * 200 + "three"
        await connection.send("ping me")
        await (await connection.ping())
        await (await connection.ping(b"here"))
        await connection.send("after")
        assert await connection.recv() == "after"
        if leave:
            await connection.send("leave")
            await connection.wait_closed()
        else:
            await connection.close(1000, "done")


async def talk(port):
    ways = [("deflate", False), ("deflate", True), (None, False), (None, True)]
    await asyncio.gather(*(talk_once(port, *way) for way in ways))
    print(len(ways), flush=True)


if sys.argv[1] == "serve":
    asyncio.run(serve(sys.argv[2]))
else:
    asyncio.run(talk(int(sys.argv[2])))
