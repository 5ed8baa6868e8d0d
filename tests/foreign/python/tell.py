"""Runs stories with Python's `websockets` and `python-socketio`: python tell.py SERVER STORY…"""

import asyncio
import importlib
import sys
import traceback

from talk import Server

for name in sys.argv[2:]:
    try:
        asyncio.run(importlib.import_module(f"stories.{name}").story(Server(sys.argv[1])))
    except Exception:
        traceback.print_exc()
        sys.exit(f"{name}: not as its page says")
    print(f"{name}: as its page says")
