"""A client of python-socketio whose server restarts: python reconnect.py SERVER TRANSPORT. Prints `connected` when it is ready."""

import json
import sys
import threading
import urllib.request
import uuid

import socketio

server, transport = sys.argv[1:]
WAIT = 30


def sign_up(name):
    body = json.dumps({"username": name, "password": "a password"}).encode()
    request = urllib.request.Request(f"{server}/api/auth/signup", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return json.load(answer)["token"]


connected, gone, heard = threading.Event(), threading.Event(), threading.Event()
client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
client.on("connect", connected.set)
client.on("disconnect", lambda *_: gone.set())
client.on("message", lambda message: heard.set() if "again" in message["content"] else None)


def wait(event, what):
    if not event.wait(WAIT):
        sys.exit(f"{what} did not happen")


client.connect(server, auth={"token": sign_up(f"jim-{transport}")}, transports=[transport])
wait(connected, "connecting")
connected.clear()
print("connected", flush=True)
wait(gone, "the disconnection")
# It reconnects by itself.
wait(connected, "coming back")
client.emit("message", {"sessionId": str(uuid.uuid4()), "content": "again"})
wait(heard, "an answer")
client.disconnect()
