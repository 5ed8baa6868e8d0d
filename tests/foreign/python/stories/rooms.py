"""A client of the page with public and private rooms: {type, payload}, nobody logs in."""

from talk import like


async def story(server):
    ann, bob = await server.dial("/"), await server.dial("/ws")

    async def ask(talk, kind, **payload):
        return await talk.ask({"type": kind, "payload": payload}, lambda f: isinstance(f, dict) and f.get("type") == kind and "code" in f)

    made = like(await ask(ann, "create", name="nebula", visibility="private", **{"pass": "anyPassword"}), {"code": 0})
    room = made["payload"]["roomId"]
    like(made["message"], f"Room created successfully, Room id: {room}")
    like(await ask(ann, "chat", roomId=room, msg="its maker is not in it yet"), {"code": 1})
    like(await ask(ann, "join", name="alok", roomId=room.lower(), **{"pass": "anyPassword"}), {"code": 0})
    like(await ask(bob, "join", name="ALOK", roomId=room, **{"pass": "anyPassword"}), {"code": 1, "message": "Name is taken"})
    like(await ask(bob, "join", name="ravi", roomId=room, **{"pass": ""}), {"code": 1, "message": "Invalid Pass Key!"})
    like(await ask(bob, "join", name="ravi", roomId=room, **{"pass": "anyPassword"}), {"code": 0})

    # Each receives the other's messages, and not its own.
    like(await ask(ann, "chat", roomId=room, msg="Hello"), {"code": 0, "message": "Message sent"})
    like(await bob.next({"type": "chat"}), {"payload": {"roomId": room, "user": "alok", "msg": "Hello"}})
    like(await ask(bob, "chat", roomId=room, msg="Hi"), {"code": 0})
    like(await ann.next({"type": "chat"}), {"payload": {"roomId": room, "user": "ravi", "msg": "Hi"}})

    await ann.send({"type": "query", "payload": {"query": "rooms"}})
    listed = await ann.next(list)
    found = [entry for entry in listed if entry["id"] == room]
    like(found, [{"name": "nebula", "visibility": "private", "people": lambda people: {"name": "ravi"} in people}])

    # Closing leaves.
    await bob.close()
    await ann.next({"type": "left", "payload": {"roomId": room, "user": "ravi"}})
    like(await ask(ann, "leave", roomId=room), {"code": 0, "message": "User 'alok' left the Room 'nebula'"})
    like(await ask(ann, "query", query="people"), {"code": 1, "message": str})
