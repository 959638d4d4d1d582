"""peer.py: a site without end, each of whose pages links to two more, and one page that is never all there. Prints its port, and how many
pages it has been asked for when it is told to end; ends by itself."""
import os
import signal
import socketserver
import sys
import threading
import time

asked = 0
lock = threading.Lock()


def answer(path, send):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
    if path == "/stalls":
        send(head + b"Content-Length: 1000\r\n\r\nnever counted")
        time.sleep(300)
    elif path == "/stop":
        text = b"before <a href=/stalls>x</a>"
        send(head + b"Content-Length: %d\r\n\r\n%s" % (len(text), text))
    elif path == "/long":
        send(head + b"\r\n")
        for _ in range(40):
            send(b"long " * 200_000)
    elif path == "/circle":
        send(b"HTTP/1.1 302 Found\r\nLocation: /circle\r\n\r\n")
    else:
        n = int(path[1:] or "1")
        text = b"endless <a href='/%d'></a> <a href='%d'></a>" % (2 * n, 2 * n + 1)
        send(head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(text), text))


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        global asked
        with lock:
            asked += 1
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        try:
            answer(path, self.request.sendall)
        except OSError:
            pass


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100


def end(*_):
    print(asked, flush=True)
    os._exit(0)


with Server(("127.0.0.1", 0), Client) as server:
    print(server.server_address[1], flush=True)
    threading.Timer(270, lambda: os._exit(1)).start()
    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        signal.pause()
