"""What a user of libsql-client does, against the address in URL with the token in TOKEN.

Prints each thing that works; the first that does not ends it with an error.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import libsql_client


def connect(token=os.environ["TOKEN"]):
    return libsql_client.create_client_sync(os.environ["URL"], auth_token=token)


def refused(call, code):
    try:
        call()
    except libsql_client.LibsqlError as error:
        assert error.code == code, f"{error.code}: {error}"
        return
    raise AssertionError(f"done, though {code} was expected")


def types(client):
    client.execute("CREATE TABLE python_kinds (i INTEGER, r REAL, t TEXT, b BLOB, n)")
    values = [2**63 - 1, 0.1, "ü \U0001f600", b"\x00\xff\x07", None]
    client.execute("INSERT INTO python_kinds VALUES (?, ?, ?, ?, ?)", values)
    found = client.execute("SELECT * FROM python_kinds")
    assert list(found.columns) == ["i", "r", "t", "b", "n"], found.columns
    assert list(found.rows[0]) == values, found.rows[0]
    named = client.execute("SELECT :one AS one", {"one": "eins"})
    assert named.rows[0]["one"] == "eins"


def batches(client):
    found = client.batch(
        [
            "CREATE TABLE python_numbers (n INTEGER PRIMARY KEY)",
            libsql_client.Statement("INSERT INTO python_numbers VALUES (?), (?)", [1, 2]),
            "SELECT sum(n) FROM python_numbers",
        ]
    )
    assert found[2].rows[0][0] == 3, found[2].rows
    twice = ["INSERT INTO python_numbers VALUES (3)", "INSERT INTO python_numbers VALUES (1)"]
    refused(lambda: client.batch(twice), "SQLITE_CONSTRAINT_PRIMARYKEY")
    count = client.execute("SELECT count(*) FROM python_numbers")
    assert count.rows[0][0] == 2, count.rows


def errors(client):
    refused(lambda: client.execute("SELEC 1"), "SQLITE_ERROR")
    again = "INSERT INTO python_numbers VALUES (1)"
    refused(lambda: client.execute(again), "SQLITE_CONSTRAINT_PRIMARYKEY")
    stranger = connect("wrong")
    try:
        stranger.execute("SELECT 1")
        raise AssertionError("a wrong token came in")
    except libsql_client.LibsqlError:
        pass
    finally:
        stranger.close()


def concurrency(client):
    client.execute("CREATE TABLE python_hits (n INTEGER)")
    client.execute("INSERT INTO python_hits VALUES (0)")

    def hit(_):
        with connect() as own:
            while True:
                try:
                    return own.execute("UPDATE python_hits SET n = n + 1")
                except libsql_client.LibsqlError as error:
                    if error.code != "SQLITE_BUSY":
                        raise

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(hit, range(20)))
    found = client.execute("SELECT n FROM python_hits")
    assert found.rows[0][0] == 20, found.rows


with connect() as client:
    for section in [types, batches, errors, concurrency]:
        section(client)
        print(f"{section.__name__}: ok")
