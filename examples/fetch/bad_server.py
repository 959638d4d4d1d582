"""bad_server.py FILE: serves one file in many ways, most of them bad, by the name that is asked for; with -twice, the first two times
only. Prints its port, and ends by itself."""
import collections
import os
import socketserver
import sys
import threading
import time

with open(sys.argv[1], "rb") as f:
    content = f.read()
whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)
asked = collections.Counter()
lock = threading.Lock()


def chunked(size):
    for at in range(0, len(content), size):
        piece = content[at:at + size]
        yield b"%x;extension=1\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def answer(name, send):
    head = b"HTTP/1.1 200 OK\r\n"
    coded = head + b"Transfer-Encoding: chunked\r\n\r\n"
    if name == "chunks":
        send(coded + b"".join(chunked(5000)))
    elif name == "chunks-by-bytes":
        text = coded + b"".join(chunked(100_000))
        for byte in text[:300]:
            send(bytes([byte]))
        send(text[300:])
    elif name == "until-end":
        send(head + b"\r\n" + content)
    elif name == "slowly":
        for at in range(0, 2000, 100):
            send(whole[at:at + 100])
            time.sleep(0.01)
        send(whole[2000:])
    elif name == "continue":
        send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + whole)
    elif name == "sent-on":
        send(b"HTTP/1.1 302 Found\r\nLocation: until-end?x#y\r\n\r\n")
    elif name == "round-in-circles":
        send(b"HTTP/1.1 302 Found\r\nLocation: /round-in-circles\r\n\r\n")
    elif name == "elsewhere":
        send(b"HTTP/1.1 302 Found\r\nLocation: ftp://a/b\r\n\r\n")
    elif name == "cut":
        send(whole[:-1])
    elif name == "cut-chunks":
        send(coded + b"".join(chunked(5000))[:-1000])
    elif name == "cut-head":
        send(head + b"Content-Type: text/plain\r\n")
    elif name == "hang-up":
        pass
    elif name == "unavailable":
        send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    elif name == "silent":
        send(whole[:1000])
        time.sleep(60)
    elif name == "no-http":
        send(b"220 smtp.example.org\r\n\r\n")
    elif name == "no-status":
        send(b"HTTP/1.1 20\r\n\r\n")
    elif name == "no-length":
        send(head + b"Content-Length: many\r\n\r\n" + content)
    elif name == "two-lengths":
        send(head + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + content)
    elif name == "bad-chunk":
        send(coded + b"5\r\n123456\r\n0\r\n\r\n")
    elif name == "negative-chunk":
        send(coded + b"-5\r\n12345\r\n0\r\n\r\n")
    elif name == "unknown-coding":
        send(head + b"Transfer-Encoding: gzip, chunked\r\n\r\n")
    elif name == "continue-for-ever":
        while True:
            send(b"HTTP/1.1 100 Continue\r\n\r\n")
    elif name == "escapes":
        send(b"HTTP/1.1 302 Found\r\nLocation: http://x/\x1b[31m" + b"y" * 1000 + b"\r\n\r\n")
    elif name == "endless-head":
        for _ in range(200):
            send(b"X: " + b"y" * 1000 + b"\r\n")
    else:
        send(whole)


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        name = path[1:].split("?")[0]
        if name.endswith("-twice"):
            with lock:
                asked[path] += 1
                bad = asked[path] <= 2
            name = name.removesuffix("-twice") if bad else ""
        try:
            answer(name, self.request.sendall)
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100


with Server(("127.0.0.1", 0), Client) as server:
    print(server.server_address[1], flush=True)
    threading.Timer(270, lambda: os._exit(1)).start()
    server.serve_forever()
