"""An ASGI server (Hypercorn: HTTP/1.1 and HTTP/2 without TLS) with server-sent events and WebSockets, and a client for
WebSockets over HTTP/2 (RFC 8441).

    asgi_peers.py serve PORT LOG      one JSON object an event or message goes to LOG
    asgi_peers.py talk PORT           prints how many WebSockets there were
"""

import asyncio
import json
import socket
import sys


def serve(port, path):
    from hypercorn.asyncio import serve as run
    from hypercorn.config import Config

    log = open(path, "w")
    released = {}

    def note(**record):
        log.write(json.dumps(record) + "\n")
        log.flush()

    async def events(scope, receive, send):
        """Events; the last of them when `/release` with the same query was asked for."""
        key = scope["query_string"].decode()
        gate = released.setdefault(key, asyncio.Event())
        head = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": head})

        async def event(name, lines):
            text = "".join(f"data: {line}\n" for line in lines)
            text = (f"event: {name}\n" if name else "") + text + "\n"
            note(path=scope["path"] + "?" + key, data=len("\n".join(lines).encode()))
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        await send({"type": "http.response.body", "body": b": welcome\n\n", "more_body": True})
        for number in range(20):
            await event("delta" if number % 2 else "", [f"{number}", "gr\u00fc\u00dfe " * number][: 1 + number % 3])
        await gate.wait()
        await event("done", ["[DONE]"])
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def release(scope, receive, send):
        released.setdefault(scope["query_string"].decode(), asyncio.Event()).set()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def chat(scope, receive, send):
        while True:
            event = await receive()
            if event["type"] == "websocket.connect":
                await send({"type": "websocket.accept"})
            elif event["type"] == "websocket.receive":
                text = event.get("text")
                kind = "binary" if text is None else "text"
                size = len(event["bytes"] if text is None else text.encode())
                for sender in ["client", "server"]:
                    note(path=scope["path"], sender=sender, kind=kind, bytes=size)
                await send({"type": "websocket.send", "text": text, "bytes": event.get("bytes")})
            else:
                return

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "websocket":
            await chat(scope, receive, send)
        elif scope["path"] == "/events":
            await events(scope, receive, send)
        else:
            await release(scope, receive, send)

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.websocket_max_message_size = 1 << 24
    config.loglevel = "ERROR"
    asyncio.run(run(app, config))


def talk(port):
    """One connection with a WebSocket on each of three streams."""
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings
    from wsproto import Connection, ConnectionType
    from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
    from wsproto.extensions import PerMessageDeflate

    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())

    def pump():
        data = sock.recv(65536)
        assert data, "the server went away"
        events = connection.receive_data(data)
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        sock.sendall(connection.data_to_send())
        return events

    while not connection.remote_settings.enable_connect_protocol:
        pump()
    talks = {}
    for number, offer in enumerate([True, True, False]):
        stream = connection.get_next_available_stream_id()
        fields = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", f"/chat/{number}"),
            (":authority", f"127.0.0.1:{port}"),
            ("sec-websocket-version", "13"),
        ]
        if offer:
            fields.append(("sec-websocket-extensions", "permessage-deflate"))
        connection.send_headers(stream, fields)
        talks[stream] = {"ws": None, "waits": 0}
    sock.sendall(connection.data_to_send())

    def send(stream, data):
        # Frames of a size of their own, so that messages and frames do not begin together.
        while data:
            room = min(connection.local_flow_control_window(stream), connection.max_outbound_frame_size, 1000)
            if room <= 0:
                handle(pump())
                continue
            connection.send_data(stream, data[:room])
            data = data[room:]
            sock.sendall(connection.data_to_send())

    def handle(events):
        for event in events:
            if isinstance(event, h2.events.ResponseReceived):
                fields = dict(event.headers)
                assert fields[":status"] == "200", fields
                extensions = []
                if "permessage-deflate" in fields.get("sec-websocket-extensions", ""):
                    deflate = PerMessageDeflate()
                    deflate.finalize(fields["sec-websocket-extensions"])
                    extensions.append(deflate)
                talks[event.stream_id]["ws"] = Connection(ConnectionType.CLIENT, extensions)
            elif isinstance(event, h2.events.DataReceived):
                talk = talks[event.stream_id]
                talk["ws"].receive_data(event.data)
                for message in talk["ws"].events():
                    if isinstance(message, (CloseConnection, Pong)) or getattr(message, "message_finished", False):
                        talk["waits"] -= 1

    while any(talk["ws"] is None for talk in talks.values()):
        handle(pump())
    messages = [
        TextMessage("hello"),
        TextMessage("some ", message_finished=False),
        TextMessage("fragments"),
        BytesMessage(bytes(range(256)) * 20),
        Ping(b"there?"),
        TextMessage(json.dumps([{"id": number} for number in range(500)])),
        TextMessage(json.dumps([{"id": number} for number in range(500)])),
        TextMessage(""),
        BytesMessage(b"\0" * 100_000),
    ]
    for message in messages:
        for stream, talk in talks.items():
            talk["waits"] += getattr(message, "message_finished", True)
            send(stream, talk["ws"].send(message))
        while any(talk["waits"] > 0 for talk in talks.values()):
            handle(pump())
    for stream, talk in talks.items():
        send(stream, talk["ws"].send(CloseConnection(1000, "done")))
        # What is read counts the answer to the close frame.
        talk["waits"] = 1
    while any(talk["waits"] > 0 for talk in talks.values()):
        handle(pump())
    for stream in talks:
        connection.end_stream(stream)
    sock.sendall(connection.data_to_send())
    sock.close()
    print(len(talks), flush=True)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]), sys.argv[3])
else:
    talk(int(sys.argv[2]))
