"""A client of the echo server's page: Socket.IO, and REST for accounts and sessions."""

import asyncio
import queue
import uuid

import socketio

from talk import PATIENCE, like


class Heard:
    """A client of `python-socketio`, with queues of received events."""

    def __init__(self, url, transports, **more):
        self.client = socketio.Client(reconnection=False)
        self.events = {"message": queue.Queue(), "error": queue.Queue()}
        for event, into in self.events.items():
            self.client.on(event, into.put)
        self.client.connect(url, transports=transports, wait_timeout=PATIENCE, **more)

    def next(self, event):
        return self.events[event].get(timeout=PATIENCE)


def talk(url, transports, token):
    john = Heard(url, transports, auth={"token": token})
    session = str(uuid.uuid4())
    john.client.call("join-session", session, timeout=PATIENCE)
    for number in range(3):
        john.client.emit("message", {"sessionId": session, "content": f"number {number}"})
    for number in range(3):
        echo = john.next("message")
        like(echo, {"sessionId": session, "timestamp": str, "messageId": str})
        assert f"number {number}" in echo["content"], echo
    john.client.emit("join-session", "no uuid")
    like(john.next("error"), {"code": 400, "message": str})
    john.client.disconnect()

    try:
        Heard(url, transports, auth={"token": "nonsense"})
    except socketio.exceptions.ConnectionError:
        return session
    raise AssertionError("a bad token was taken")


async def story(server):
    for transports in ["polling"], ["websocket"], ["polling", "websocket"]:
        account = await server.sign_up("jane-" + "-".join(transports))
        token = account["token"]
        session = await asyncio.to_thread(talk, server.url, transports, token)
        status, sessions = await server.rest("GET", "/api/sessions", token)
        like([status, [entry["id"] for entry in sessions]], [200, [session]])
        _, messages = await server.rest("GET", f"/api/sessions/{session}/messages", token)
        # Messages can be sent without waiting for answers.
        for sender in "user", "server":
            said = [message["content"] for message in messages if message["sender"] == sender]
            assert [f"number {number}" in content for number, content in enumerate(said)] == [True] * 3, messages
    like((await server.rest("GET", "/api/sessions"))[0], 401)
