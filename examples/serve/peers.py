"""peers.py URL PID FILE slow|others: clients that send too slowly or nothing, or that read nothing, of a server whose patience is one
second; or others, that send a byte at a time, all at once, or that go away, what they get, and then an interrupt for the server, of much
patience, in the middle of it. FILE is a large one that it has."""
import os
import random
import signal
import socket
import sys
import threading
import time
import urllib.parse

url = urllib.parse.urlparse(sys.argv[1])
pid = int(sys.argv[2])
name = os.path.basename(sys.argv[3])
with open(sys.argv[3], "rb") as f:
    content = f.read()
failed = False


def fail(what):
    global failed
    failed = True
    print("serve:", what)


def check(right, what):
    if not right:
        fail(what)


def connect(room=None):
    s = socket.socket()
    if room:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    s.settimeout(90)
    s.connect((url.hostname, url.port))
    return s


def receive_all(s):
    """Until the end; a reset is one."""
    got = b""
    try:
        while piece := s.recv(1 << 16):
            got += piece
    except ConnectionError:
        pass
    return got


def receive_answer(s, got=b""):
    """One answer with a length, and what came after it."""
    while b"\r\n\r\n" not in got:
        piece = s.recv(1 << 16)
        if not piece:
            return got, b""
        got += piece
    head, rest = got.split(b"\r\n\r\n", 1)
    length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")][0]
    while len(rest) < length:
        piece = s.recv(1 << 16)
        if not piece:
            break
        rest += piece
    return head + b"\r\n\r\n" + rest[:length], rest[length:]


def ask(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *fields, "", ""]).encode()


def slow_ones(pause):
    """All at the same time: who says nothing, who begins and says no more, who sends a byte now and then, and who does not read for so many
    seconds. What is wrong with what they get."""
    wrong = []
    began = time.monotonic()
    begun = connect()
    begun.sendall(b"GET / HTT")
    silent, dripping, greedy = connect(), connect(), [connect(4096) for _ in range(10)]
    for s in greedy:
        s.sendall(ask(f"/{name}"))

    def drip():
        try:
            for byte in b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 1000:
                dripping.sendall(bytes([byte]))
                time.sleep(0.1)
        except OSError:
            pass

    dripper = threading.Thread(target=drip)
    dripper.start()
    if receive_all(silent) != b"":
        wrong.append("who says nothing gets something")
    if not receive_all(begun).startswith(b"HTTP/1.1 408 "):
        wrong.append("who only begins is not told that it took too long")
    got = receive_all(dripping)
    if got != b"" and not got.startswith(b"HTTP/1.1 408 "):
        wrong.append(f"who drips gets {got}")
    took = time.monotonic() - began
    if took < 1:
        wrong.append(f"slow ones were cut off after {took:.1f} s")
    time.sleep(max(0, began + pause - time.monotonic()))
    for s in greedy:
        got = receive_all(s)
        if not 0 < len(got) < len(content):
            wrong.append(f"who does not read gets {len(got)} bytes in the end")
    for s in (silent, begun, dripping, *greedy):
        s.close()
    dripper.join()
    return wrong


if sys.argv[4] == "slow":
    # Where this machine has so much else to do that its clients or its server have no turn for seconds, there is another try.
    for pause in (3, 10, 30):
        wrong = slow_ones(pause)
        if not wrong:
            break
    for what in wrong:
        fail(what)
    sys.exit(failed)

# A request cut at every byte.
request = ask("/hello.txt", "Range: bytes=1-3")
for cut in range(1, len(request)):
    s = connect()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(request[:cut])
    time.sleep(0.001)
    s.sendall(request[cut:])
    answer, _ = receive_answer(s)
    check(answer.startswith(b"HTTP/1.1 206 ") and answer.endswith(b"\r\n\r\nell"), f"cut at {cut}: {answer}")
    s.close()

# Many at once on one connection, of which the last closes; the answers come in order.
s = connect()
s.sendall(b"".join(ask(f"/{name}", f"Range: bytes={8 * i}-{8 * i + 6}") for i in range(200)) + ask("/", "Connection: close"))
rest = b""
for i in range(200):
    answer, rest = receive_answer(s, rest)
    check(answer.endswith(b"\r\n\r\n%07d" % i), f"pipelined {i}: {answer}")
answer, rest = receive_answer(s, rest)
check(answer.endswith(b"<h1>index</h1>") and receive_all(s) == b"" and rest == b"", "after the last there is something")

# What is wrong is answered at once, and then the connection ends.
for request, status in [(b"\x16\x03\x01\x02\x00", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 404),
                        (b"GET / HTTP/3.0\r\n", 505), (b"GET /" + b"x" * 100000, 414), (ask("/", "Transfer-Encoding: chunked"), 501)]:
    s = connect()
    try:
        s.sendall(request)
    except ConnectionError:
        pass
    answer = receive_all(s)
    check(answer.startswith(b"HTTP/1.1 %d " % status), f"not {status}: {answer[:200]}")
    check(b"Connection: close" in answer, "an error leaves the connection open")
    s.close()

# Noise.
seed = int(os.environ.get("WEFT_SEED", random.getrandbits(32)))
noise = random.Random(seed)
for _ in range(100):
    s = connect()
    text = bytearray(ask("/hello.txt", "Connection: close"))
    for _ in range(noise.randrange(1, 6)):
        text[noise.randrange(len(text))] = noise.randrange(256)
    try:
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
    except ConnectionError:
        pass
    answer = receive_all(s)
    check(answer == b"" or answer.startswith(b"HTTP/1.1 "), f"WEFT_SEED={seed}: {bytes(text)} gets {answer[:100]}")
    s.close()

# Who goes away in the middle of an answer.
for _ in range(20):
    s = connect()
    s.sendall(ask(f"/{name}"))
    s.recv(1000)
    s.close()

# A large computation holds up no file.
computing = connect()
computing.sendall(ask("/primes?below=300000000"))
times = []
s = connect()
for _ in range(20):
    began = time.monotonic()
    s.sendall(ask("/hello.txt"))
    answer, _ = receive_answer(s)
    check(answer.endswith(b"hello\n"), "another file meanwhile")
    times.append(time.monotonic() - began)
answer, _ = receive_answer(computing)
check(answer.endswith(b"\r\n\r\n16252325\n"), f"another number of primes: {answer}")
print(f"files beside a computation: median {1e3 * sorted(times)[10]:.2f} ms, the slowest {1e3 * max(times):.2f} ms")

# An interrupt: who has asked gets all of it, who has not is let go, and nobody else is let in.
idle, busy = connect(), connect(1 << 16)
idle.sendall(ask("/hello.txt"))
receive_answer(idle)
busy.sendall(ask(f"/{name}"))
got = [busy.recv(1000)]
os.kill(pid, signal.SIGINT)
rest = threading.Thread(target=lambda: got.append(receive_all(busy)))  # at once: its patience is short
rest.start()
check(receive_all(idle) == b"", "who has asked for nothing gets something at the end")
try:
    late = connect()
    check(receive_all(late) == b"", "who comes after the end gets something")
except ConnectionError:
    pass
rest.join()
got = b"".join(got)
check(got.endswith(content), f"who has asked before the end gets {len(got)} bytes, not all of it")

sys.exit(failed)
