

def hold():
    """Reads a slot and confirms what it has read, until the lab closes the input."""
    replication = connect(connection_factory=psycopg2.extras.LogicalReplicationConnection)
    stream = replication.cursor()
    names = '"{}"'.format(request["publication"])
    stream.start_replication_expert(
        f"START_REPLICATION SLOT {request['slot']} LOGICAL 0/0 (proto_version '1', publication_names '{names}')"
    )
    say(state="ready")
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        message = stream.read_message()
        if message:
            stream.send_feedback(flush_lsn=message.wal_end, reply=True)
        else:
            stream.send_feedback(flush_lsn=stream.wal_end, reply=True)


hold()
