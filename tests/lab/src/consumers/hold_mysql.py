

def hold():
    """Reads the binary log from its end, until the lab closes the input."""
    with connect(**SETTINGS) as connection, connection.cursor() as cursor:
        server = Server(cursor)
        start = from_there(server, server.position(), server.gtids())
    stream = BinLogStreamReader(
        dict(SETTINGS),
        server_id=random.randrange(1000, 1 << 31),
        pymysql_wrapper=connect,
        only_events=[HeartbeatLogEvent, RotateEvent],
        blocking=True,
        resume_stream=True,
        report_slave=("pipeprobe-lab", "", "", 0),
        slave_uuid=str(uuid.uuid4()),
        slave_heartbeat=0.1,
        **start,
    )
    stream.fetchone()
    say(state="ready")
    while not select.select([sys.stdin], [], [], 0)[0]:
        stream.fetchone()
    stream.close()


hold()
