"""A client of the one-to-one chat's page: frames with an event."""

from talk import like


async def story(server):
    one, two = await server.sign_up("ann-of-direct"), await server.sign_up("bob-of-direct")
    a, b = one["user"]["id"], two["user"]["id"]
    ann = await server.dial("/")
    await ann.ask({"event": "authenticate", "token": one["token"]}, {"event": "userStatus", "data": {"userId": a, "isOnline": True}})

    # Messages to an offline account are unread.
    for number in range(3):
        await ann.send({"event": "message", "receiverId": b, "message": f"number {number}"})
    sent = [await ann.next({"event": "message"}) for _ in range(3)]
    like(sent[0]["data"], {"id": str, "senderId": a, "receiverId": b, "message": "number 0", "images": [], "createdAt": str})

    bob = await server.dial("/ws/direct")
    await bob.ask({"event": "authenticate", "token": two["token"]}, {"event": "userStatus", "data": {"userId": b, "isOnline": True}})
    await ann.next({"event": "userStatus", "data": {"userId": b, "isOnline": True}})
    unread = await bob.ask({"event": "unReadMessages", "receiverId": a}, {"event": "unReadMessages", "data": {"count": 3}})
    like([message["message"] for message in unread["data"]["messages"]], [f"number {number}" for number in range(3)])
    chats = await bob.ask({"event": "fetchChats", "receiverId": a}, {"event": "fetchChats"})
    like([message["id"] for message in chats["data"]], [message["data"]["id"] for message in sent])
    await bob.ask({"event": "unReadMessages", "receiverId": a}, {"event": "noUnreadMessages", "data": []})

    picture = {"event": "message", "receiverId": a, "message": "", "images": ["https://pictures.example/frog.png"]}
    await bob.send(picture)
    like((await ann.next({"event": "message"}))["data"], {"senderId": b, "images": picture["images"]})
    like(await bob.ask({"event": "message", "receiverId": a}, {"event": "error"}), {"message": str})
    await bob.close()
    await ann.next({"event": "userStatus", "data": {"userId": b, "isOnline": False}})
