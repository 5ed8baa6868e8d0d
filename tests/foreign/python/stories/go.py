"""A client of the Go specification: tokens open connections, messages are for one person or one group."""

from talk import like


async def story(server):
    like([await server.refused("/ws/go"), await server.refused("/ws", "no.such.token")], [401, 401])
    ann, bob = await server.sign_up("ann-of-go"), await server.sign_up("bob-of-go")
    a, b = ann["user"]["number"], bob["user"]["number"]

    of_ann, of_bob = await server.dial("/ws", ann["token"]), await server.dial("/ws", bob["token"])
    like(await of_ann.next(), {"type": "connected", "connection_id": str, "user_id": a})
    like(await of_bob.next(), {"type": "connected", "connection_id": str, "user_id": b})

    for number in range(3):
        await of_ann.send({"receiver_id": b, "message": f"number {number}"})
    heard = [await of_bob.next({"type": "message"}) for _ in range(3)]
    like([message["message"] for message in heard], ["number 0", "number 1", "number 2"])
    like(heard[0], {"id": int, "sender_id": a, "receiver_id": b, "timestamp": str})
    like([await of_ann.next({"type": "message"}) for _ in range(3)], heard)

    status, group = await server.rest("POST", "/api/groups", ann["token"], {"name": "pond-of-go"})
    like((status, group["name"]), (201, "pond-of-go"))
    like((await server.rest("POST", f"/api/groups/{group['id']}/join", bob["token"]))[0], 200)
    await of_bob.send({"type": "message", "group_id": group["id"], "message": "ribbit"})
    for one in of_ann, of_bob:
        like(await one.next({"type": "message"}), {"group_id": group["id"], "sender_id": b, "message": "ribbit"})

    page = {"type": "history", "receiver_id": b, "before": heard[2]["id"], "limit": 1}
    like(await of_ann.ask(page, {"type": "history"}), {"receiver_id": b, "messages": [{"message": "number 1"}]})
    like(await of_ann.ask("{", {"type": "error"}), {"code": "bad_request", "message": str})
    like(await of_ann.ask({"receiver_id": 4711, "message": "hi"}, {"type": "error"}), {"code": "not_found"})
