

def hold():
    """Reads the binary log, until the lab closes the input."""
    connection = connect(**SETTINGS)
    with connection.cursor() as cursor:
        server = Server(cursor)
        position, gtids = server.position(), server.gtids()
    connection.close()
    stream = BinLogStreamReader(
        dict(SETTINGS),
        server_id=random.randrange(1 << 31, 1 << 32),
        pymysql_wrapper=connect,
        only_events=[HeartbeatLogEvent, RotateEvent, WriteRowsEvent],
        blocking=True,
        resume_stream=True,
        report_slave=("pipeprobe-lab", "", "", 0),
        slave_uuid=str(uuid.uuid4()),
        slave_heartbeat=0.2,
        **from_there(server, position, gtids),
    )
    stream.fetchone()
    say(state="ready")
    while not select.select([sys.stdin], [], [], 0)[0]:
        stream.fetchone()


hold()
