# The program `aws`: sends its arguments, environment and standard streams to the loaded AWS CLI.
import json
import os
import socket
import sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli"))
request = json.dumps([sys.argv[1:], dict(os.environ)]).encode()
socket.send_fds(connection, [len(request).to_bytes(8, "big")], [0, 1, 2])
connection.sendall(request)
# A call without a status has failed.
sys.exit(int(connection.makefile().read() or 255))
