"""Of several sessions, one is cancelled by its own key; a request with an unknown key changes nothing."""

import os, socket, struct, threading, time
import psycopg2, psycopg2.errors

connections = [psycopg2.connect("") for _ in range(20)]
results = [None] * len(connections)


def sleep(index):
    try:
        connections[index].cursor().execute("select pg_sleep(4)")
        results[index] = "slept"
    except psycopg2.errors.QueryCanceled:
        results[index] = "cancelled"


def request(key):
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(os.environ["PGHOST"] + "/.s.PGSQL.5432")
    stream.sendall(struct.pack("!II", 8 + len(key), 80877102) + key)
    stream.settimeout(5)
    assert stream.recv(1) == b"", "a request to cancel has no answer"


threads = [threading.Thread(target=sleep, args=[i]) for i in range(len(connections))]
for thread in threads:
    thread.start()
time.sleep(1)
request(struct.pack("!I", connections[3].get_backend_pid()) + b"\1\2\3\4")
request(struct.pack("!I", connections[3].get_backend_pid()) + b"\1" * 32)
time.sleep(0.5)
print("unknown keys cancelled", results.count("cancelled"))
start = time.time()
connections[7].cancel()
threads[7].join()
assert time.time() - start < 1.5, time.time() - start
for thread in threads:
    thread.join()
print("cancelled", [i for i, result in enumerate(results) if result == "cancelled"])
print("slept", results.count("slept"))
