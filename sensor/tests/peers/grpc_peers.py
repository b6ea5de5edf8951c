"""A gRPC server that logs what it got and gave, and a client that calls it in every way.

    grpc_peers.py serve LOG       prints its port; one JSON object a call goes to LOG
    grpc_peers.py call PORT       prints how many calls the server has to log

Messages are raw bytes, so nothing is generated from descriptors.
"""

import json
import sys
import threading
from concurrent import futures

import grpc

SERVICE = "/tapline.Peers/"
# A message that takes many frames of HTTP/2, below the 4 MiB that receivers allow.
LARGE = 1_000_000


class Service(grpc.GenericRpcHandler):
    def __init__(self, log):
        self.log = log
        self.lock = threading.Lock()

    def note(self, method, received, sent, status):
        with self.lock:
            record = {"method": method, "received": received, "sent": sent, "status": status}
            self.log.write(json.dumps(record) + "\n")
            self.log.flush()

    def service(self, details):
        name = details.method[len(SERVICE):]
        kinds = {
            "Unary": grpc.unary_unary_rpc_method_handler,
            "Packed": grpc.unary_unary_rpc_method_handler,
            "Fail": grpc.unary_unary_rpc_method_handler,
            "Sleep": grpc.unary_unary_rpc_method_handler,
            "Download": grpc.unary_stream_rpc_method_handler,
            "Watch": grpc.unary_stream_rpc_method_handler,
            "Upload": grpc.stream_unary_rpc_method_handler,
            "Chat": grpc.stream_stream_rpc_method_handler,
        }
        if not details.method.startswith(SERVICE) or name not in kinds:
            self.note(details.method, None, [], grpc.StatusCode.UNIMPLEMENTED.value[0])
            return None
        work = getattr(self, name)
        streams_in = name in ("Upload", "Chat")
        streams_out = name in ("Download", "Watch", "Chat")
        received, sent = [], []

        def reading(requests):
            for request in requests:
                received.append(len(request))
                yield request

        def begin(context):
            def over():
                code = context.code() or grpc.StatusCode.OK
                status = None if context.given_up.is_set() else code.value[0]
                self.note(details.method, received, sent, status)

            context.given_up = threading.Event()
            context.add_callback(over)

        def single(request, context):
            begin(context)
            given = reading(request) if streams_in else next(reading([request]))
            reply = work(given, context)
            sent.append(len(reply))
            return reply

        def stream(request, context):
            begin(context)
            given = reading(request) if streams_in else next(reading([request]))
            for reply in work(given, context):
                sent.append(len(reply))
                yield reply

        return kinds[name](stream if streams_out else single)

    def Unary(self, request, context):
        return request * 2

    def Packed(self, request, context):
        context.set_compression(grpc.Compression.Gzip)
        return request * 2

    def Fail(self, request, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")

    def Sleep(self, request, context):
        # Until the client gives up.
        context.given_up.set()
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait(20)
        context.abort(grpc.StatusCode.CANCELLED, "nobody waits")

    def Download(self, request, context):
        count, size = map(int, request.split())
        for number in range(count):
            yield b"x" * (size + number)

    def Watch(self, request, context):
        context.given_up.set()
        gone = threading.Event()
        context.add_callback(gone.set)
        for number in range(3):
            yield b"tick" * number
        gone.wait(20)

    def Upload(self, requests, context):
        return str(sum(len(request) for request in requests)).encode()

    def Chat(self, requests, context):
        for request in requests:
            yield request
            yield b""


def serve(path):
    with open(path, "w") as log:
        server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=16),
            handlers=[Service(log)],
            options=[("grpc.so_reuseport", 0)],
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(port, flush=True)
        server.wait_for_termination()


def calls(channel, large):
    """Calls one after the other; says how many."""
    unary = lambda name: channel.unary_unary(SERVICE + name)
    count = 0
    for size in [0, 1, 100, 20_000, large]:
        assert len(unary("Unary")(b"a" * size)) == 2 * size
        count += 1
    for size in [0, 10, 50_000]:
        reply = unary("Packed")(b"z" * size, compression=grpc.Compression.Gzip)
        assert len(reply) == 2 * size
        count += 1
    for name, payload, code in [
        ("Fail", b"which", grpc.StatusCode.NOT_FOUND),
        ("Nowhere", b"", grpc.StatusCode.UNIMPLEMENTED),
    ]:
        try:
            unary(name)(payload)
            raise AssertionError(name)
        except grpc.RpcError as error:
            assert error.code() == code, error
        count += 1
    for plan in [b"0 0", b"1 0", b"200 3", b"5 40000"]:
        replies = list(channel.unary_stream(SERVICE + "Download")(plan))
        assert len(replies) == int(plan.split()[0])
        count += 1
    pieces = [b"p" * size for size in [0, 1, 1000, 70_000]]
    assert channel.stream_unary(SERVICE + "Upload")(iter(pieces)) == b"71001"
    count += 1
    # Each message is sent when the answer to the one before it has come.
    answered = threading.Semaphore(1)

    def turns():
        for size in [5, 0, 500, 20_000]:
            answered.acquire()
            yield b"c" * size

    for number, _ in enumerate(channel.stream_stream(SERVICE + "Chat")(turns())):
        if number % 2 == 1:
            answered.release()
    count += 1
    watch = channel.unary_stream(SERVICE + "Watch")(b"now")
    for _ in range(3):
        next(watch)
    watch.cancel()
    count += 1
    sleep = unary("Sleep").future(b"long")
    timer = threading.Timer(0.3, sleep.cancel)
    timer.start()
    try:
        sleep.result()
        raise AssertionError("it slept")
    except grpc.FutureCancelledError:
        pass
    return count + 1


def call(port):
    total = []

    def one(large):
        # A connection of its own.
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            # Two at once on one connection.
            with futures.ThreadPoolExecutor(2) as side:
                total.extend(side.map(lambda size: calls(channel, size), [large, 70_000]))

    with futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(one, [LARGE, 300_000]))
    print(sum(total), flush=True)


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    call(int(sys.argv[2]))
