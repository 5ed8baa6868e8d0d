"""Has Schemathesis log in anew for every request: what it tries here ends the login that it is tried with."""

import json
import os
import urllib.request

import schemathesis


@schemathesis.auth(refresh_interval=None)
class FreshLogin:
    def get(self, case, ctx):
        request = urllib.request.Request(
            os.environ["LOG_IN_URL"],
            data=os.environ["LOG_IN_BODY"].encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["token"]

    def set(self, case, token, ctx):
        case.headers["Authorization"] = f"Bearer {token}"
