"""Sends a startup message byte for byte, and prints the kinds of the server's messages up to ReadyForQuery or the end.

Arguments: minor protocol version, then names and values of parameters."""

import os, socket, struct, sys

words = [word.encode() for word in sys.argv[2:]]
body = struct.pack("!HH", 3, int(sys.argv[1])) + b"".join(word + b"\0" for word in words) + b"\0"
stream = socket.socket(socket.AF_UNIX)
stream.connect(os.environ["PGHOST"] + "/.s.PGSQL.5432")
for code in (80877104, 80877103):
    stream.sendall(struct.pack("!II", 8, code))
    assert stream.recv(1) == b"N"
stream.sendall(struct.pack("!I", 4 + len(body)) + body)
reader = stream.makefile("rb")
kinds = ""
while head := reader.read(5):
    kind, length = head[:1].decode(), struct.unpack("!I", head[1:])[0]
    content = reader.read(length - 4)
    if kind == "R":
        assert content == b"\0\0\0\0", content
    if kind == "K":
        print("key", length - 8)
    kinds += kind
    if kind in "ZE":
        break
print("kinds", kinds.replace("S", ""))
