"""moto, an implementation of AWS, and the AWS CLI, which is loaded once: each call of it runs in a fork.

Prints the endpoint of moto. Ends with its standard input.
"""
import gc
import json
import os
import select
import signal
import socket
import sys

folder = sys.argv[1]


def run_moto(report):
    from moto.rds.models import DBCluster
    from moto.server import ThreadedMotoServer

    # moto 5.2.5 shows `iam_auth` of a cluster, and ModifyDBCluster changes another attribute.
    DBCluster.enable_iam_database_authentication = property(
        lambda cluster: cluster.iam_auth,
        lambda cluster, is_on: setattr(cluster, "iam_auth", is_on),
    )
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.write(report, f"http://{host}:{port}\n".encode())
    os.close(report)
    sys.stdin.read()
    os._exit(0)


def load_cli():
    from awscli.clidriver import create_clidriver

    driver = create_clidriver()
    loader = driver.session.get_component("data_loader")
    for service in ("sts", "rds", "ec2", "iam"):
        # Reads the files of the service. The keys of a call are those of its environment.
        driver.session.create_client(
            service, region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-"
        )
        # What each fork would build again, which is half of its time. STS has no pages and no waiters.
        driver._get_command_table()[service]._get_command_table()
        for kind in () if service == "sts" else ("paginators-1", "waiters-2"):
            loader.load_service_model(service, kind)
    return driver


def call(driver, endpoint, connection):
    """In a fork: the arguments and the environment of the caller, and its standard streams."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    text = connection.makefile("rb").read(int.from_bytes(size, "big"))
    arguments, environment = json.loads(text)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    # Version 1.46.3 ignores AWS_ENDPOINT_URL for RDS.
    status = driver.main(["--endpoint-url", endpoint, *arguments])
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(status).encode())


def main():
    received, report = os.pipe()
    if os.fork() == 0:
        os.close(received)
        run_moto(report)
    os.close(report)
    driver = load_cli()
    # A call is short: collecting garbage would only copy the memory of this process.
    gc.disable()
    gc.freeze()
    endpoint = os.fdopen(received).readline().strip()
    if not endpoint:
        sys.exit("moto has not started")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(folder, "cli"))
    listener.listen(64)
    # The kernel removes forks that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print(endpoint, flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            try:
                call(driver, endpoint, connection)
            finally:
                os._exit(0)
        connection.close()


main()
