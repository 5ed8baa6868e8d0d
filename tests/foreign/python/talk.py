"""Helpers of the Python clients: a JSON socket with expectations, and REST."""

import asyncio
import json
import urllib.error
import urllib.request

import websockets

PATIENCE = 30


class Talk:
    """A connection of `websockets`, which queues received frames."""

    def __init__(self, socket):
        self.socket, self.frames = socket, []

    async def send(self, frame):
        await self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    async def next(self, pattern=None):
        """Returns the next frame that matches the pattern; keeps the frames before it."""
        for place, frame in enumerate(self.frames):
            if unlike(frame, pattern) is None:
                return self.frames.pop(place)
        while True:
            try:
                frame = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))
            except TimeoutError:
                raise AssertionError(f"{pattern} never came; there was {self.frames}") from None
            if unlike(frame, pattern) is None:
                return frame
            self.frames.append(frame)

    async def ask(self, frame, pattern=None):
        await self.send(frame)
        return await self.next(pattern)

    async def close(self):
        await self.socket.close()


class Server:
    def __init__(self, url):
        self.url = url

    async def dial(self, path, token=None, **more):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.url.replace("http", "ws", 1) + path
        return Talk(await websockets.connect(url, additional_headers=headers, **more))

    async def refused(self, path, token=None):
        """Returns the status with which the upgrade is refused."""
        try:
            await self.dial(path, token)
        except websockets.InvalidStatus as refusal:
            return refusal.response.status_code
        raise AssertionError(f"{path} took the connection")

    async def rest(self, method, path, token=None, body=None):
        return await asyncio.to_thread(self._rest, method, path, token, body)

    def _rest(self, method, path, token, body):
        request = urllib.request.Request(self.url + path, method=method, data=body and json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, json.loads(response.read() or "null")
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or "null")

    async def sign_up(self, username):
        status, answer = await self.rest("POST", "/api/auth/signup", body={"username": username, "password": "a password"})
        assert status == 201, answer
        return answer


def unlike(value, pattern):
    """Returns why a value does not match a pattern, or None. Dictionaries may have more keys; functions are predicates."""
    if pattern is None:
        return None
    if isinstance(pattern, type):
        return None if isinstance(value, pattern) else f"{value!r} is no {pattern.__name__}"
    if callable(pattern):
        return None if pattern(value) else f"{value!r}"
    if isinstance(pattern, dict) and isinstance(value, dict):
        reasons = (f"{key}: {why}" for key in pattern if (why := unlike(value.get(key), pattern[key])))
        return next(reasons, None)
    if isinstance(pattern, list) and isinstance(value, list) and len(pattern) == len(value):
        return next((why for part, like_it in zip(value, pattern) if (why := unlike(part, like_it))), None)
    return None if value == pattern else f"{value!r} is not {pattern!r}"


def like(value, pattern):
    why = unlike(value, pattern)
    assert why is None, f"{why}; the whole is {value!r}"
    return value
