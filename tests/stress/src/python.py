# Runs SQL for a worker: a JSON request a line on stdin, a JSON answer a line on stdout. Ends with stdin.
import json
import sqlite3
import sys

connections = {}


def answer(request):
    number = request["connection"]
    match request["do"]:
        case "version":
            return {"rows": [[sqlite3.sqlite_version]]}
        case "open":
            connections[number] = sqlite3.connect(
                request["database"], timeout=request["busy_seconds"], isolation_level=None)
        case "close":
            if number in connections:
                connections.pop(number).close()
        case "query":
            cursor = connections[number].execute(request["text"], request["parameters"])
            return {"rows": cursor.fetchall()}
    return {"rows": []}


for line in sys.stdin:
    try:
        result = answer(json.loads(line))
    except sqlite3.Error as error:
        result = {"code": error.sqlite_errorcode, "text": str(error)}
    print(json.dumps(result), flush=True)
