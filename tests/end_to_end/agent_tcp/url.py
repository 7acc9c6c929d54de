"""Logs in with DATABASE_URL, then with passwords that are wrong, then again."""

import os
from urllib.parse import unquote, urlsplit

url = urlsplit(os.environ["DATABASE_URL"])
assert url.hostname == "127.0.0.1", url.hostname
right = unquote(url.password)

if url.scheme == "postgresql":
    import psycopg2 as driver

    def connect(password):
        where = dict(host=url.hostname, port=url.port, dbname=url.path[1:], sslmode="disable")
        return driver.connect(user=unquote(url.username), password=password, **where)

else:
    import pymysql as driver

    def connect(password):
        where = dict(host=url.hostname, port=url.port, database=url.path[1:])
        return driver.connect(user=unquote(url.username), password=password, **where)


def user():
    cursor = connect(right).cursor()
    cursor.execute("select current_user")
    return cursor.fetchone()[0].split("@")[0]


print(user())
wrong = ["", "x", right[:-1], right + "x", right.upper(), "0" * len(right)]
os.environ.pop("PGPASSWORD", None)
refused = 0
for password in wrong:
    try:
        connect(password)
    except driver.OperationalError:
        refused += 1
print("refused", refused, "of", len(wrong))
print(user())
