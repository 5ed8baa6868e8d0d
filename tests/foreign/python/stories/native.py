"""A client of docs/protocol.md."""

from itertools import count

from talk import like


async def story(server):
    account = await server.sign_up("ann-of-native")
    ids = count(1)

    async def call(talk, op, **args):
        number = next(ids)
        return await talk.ask({"id": number, "op": op, "args": args}, {"id": number})

    # The subprotocol instead of a path; the token in the first frame.
    ann, bob = await server.dial("/", subprotocols=["natterjack.v1"]), await server.dial("/ws/native")
    like(ann.socket.subprotocol, "natterjack.v1")
    like(await call(ann, "connect", token=account["token"]), {"ok": {"account": {"name": "ann-of-native"}}})
    like(await call(bob, "connect", guest="bob"), {"ok": {"protocol": "natterjack.v1", "account": {"name": "bob"}}})

    made = await call(ann, "room.create", name="pond-of-native", visibility="public")
    room = like(made, {"ok": {"room": {"uid": str, "name": "pond-of-native"}}})["ok"]["room"]["uid"]
    for one in ann, bob:
        like(await call(one, "room.join", room=room), {"ok": {"recovered": False, "last_seq": int}})

    # All clients receive the room's log in the same order.
    for number in range(20):
        one = (ann, bob)[number % 2]
        await one.send({"id": f"post-{number}", "op": "message.post", "args": {"room": room, "body": f"number {number}"}})
    logs = []
    for one in ann, bob:
        logs.append([])
        for _ in range(20):
            event = await one.next({"event": "message.posted", "room": room})
            logs[-1].append((event["seq"], event["data"]["body"]))
    like(logs[0], logs[1])
    first = logs[0][0][0]
    like([seq for seq, _ in logs[0]], list(range(first, first + 20)))
    history = (await call(bob, "room.history", room=room))["ok"]["messages"]
    like([(message["seq"], message["body"]) for message in history], logs[0])

    like(await call(bob, "unread"), {"error": {"code": str}})
    like(await call(ann, "message.read", room=room, seq=first + 19), {"ok": {"seq": first + 19}})
    like(await call(ann, "search", query="number"), {"ok": {"messages": list}})
    like(await ann.ask("[]", {"error": {}}), {"error": {"code": "bad_request"}})
    like(await call(bob, "room.leave", room=room), {"ok": {}})
    like(await call(bob, "message.post", room=room, body="outside"), {"error": {"code": "forbidden"}})
