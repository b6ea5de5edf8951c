"""A proxy that opens tunnels (CONNECT) and does nothing else: `proxy_peer.py serve LOG`.

Prints its port, and writes a line for each tunnel that it opened or declined: target and status. Standard library only.
"""
import select
import socket
import socketserver
import sys
import threading


class Tunnel(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            line = self.rfile.readline().decode()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            if not line.startswith("CONNECT "):
                return
            target = line.split(" ")[1]
            # Names are not looked up: there is no such host as the one that is declined.
            if target.startswith("declined"):
                self.answer(target, "403", "Forbidden\r\nContent-Length: 0")
                continue
            host, port = target.rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                self.answer(target, "200", "Connection established")
                self.carry(server)
            return

    def answer(self, target, status, rest):
        with lock, open(sys.argv[2], "a") as log:
            log.write(f"CONNECT {target} {status} 0 0\n")
        self.wfile.write(f"HTTP/1.1 {status} {rest}\r\n\r\n".encode())

    def carry(self, server):
        ends = {self.connection: server, server: self.connection}
        while True:
            for end in select.select(list(ends), [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                ends[end].sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


lock = threading.Lock()
with Server(("127.0.0.1", 0), Tunnel) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
