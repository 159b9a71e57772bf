"""Starts the local engine, past two of its weaknesses."""

import json
import os
import socketserver

# The engine hands an invocation to a function over Python's own HTTP server, which sends head and body apart.
# With Nagle's algorithm the body then waits for the acknowledgement of the head: 40 ms of every invocation.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

# It keeps how far each stream was read, and not the streams: after a restart nothing would be read until as
# many records have come again. Without the positions it reads each stream from its beginning, which is now.
state = os.path.join(os.environ["STATE_DIR"], "lambda.json")
if os.path.exists(state):
    with open(state) as file:
        stored = json.load(file)
    stored.get("payload", stored).pop("dynamodb_stream_positions", None)
    with open(state + ".new", "w") as file:
        json.dump(stored, file)
    os.replace(state + ".new", state)

from ministack.app import main  # noqa: E402  (it reads the state when it is imported)

main()
