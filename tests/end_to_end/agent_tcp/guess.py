"""Tries wrong passwords, many at the same time."""

import os
from concurrent.futures import ThreadPoolExecutor

import psycopg2


def is_refused(number):
    try:
        psycopg2.connect(os.environ["DATABASE_URL"], password=f"{number:032x}")
    except psycopg2.OperationalError as why:
        return "wrong password for the local agent" in str(why)
    return False


with ThreadPoolExecutor(64) as threads:
    print("refused", sum(threads.map(is_refused, range(64))), "of 64")
