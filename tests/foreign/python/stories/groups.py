"""A client of the group chat's page: flat frames with a type."""

from talk import like


async def story(server):
    ann, bob = await server.dial("/"), await server.dial("/ws/groups")
    await ann.ask({"type": "sign-up", "name": "ann-of-groups", "pwrd": "password", "id": "id-of-ann"}, {"type": "sign-up"})
    again = await server.dial("/")
    taken = {"type": "sign-up", "name": "ann-of-groups", "pwrd": "password", "id": "another-id"}
    like(await again.ask(taken, {"type": str}), {"type": "err", "err": "Similar IDs"})

    # By name or by id.
    accepted = {"type": "login-accept", "data": {"name": "ann-of-groups", "id": "id-of-ann", "groups": list}}
    await again.ask({"type": "log_in", "name": "ann-of-groups", "pwrd": "password"}, accepted)
    third = await server.dial("/")
    await third.ask({"type": "log_in", "name": "id-of-ann", "pwrd": "password"}, accepted)
    await third.close()

    await again.ask({"type": "make_group", "group_name": "pond-of-groups"}, {"type": "acknowledge-connect", "Group": "pond-of-groups"})
    guest = {"type": "first-connect", "name": "ann-of-groups", "group": "pond-of-groups"}
    like(await bob.ask(guest, {"type": str}), {"type": "reject-connect"})
    await bob.ask({**guest, "name": "guest-bob"}, {"type": "acknowledge-connect", "name": "guest-bob", "Group": "pond-of-groups"})
    await again.next({"type": "user-added", "name": "guest-bob", "Group": "pond-of-groups"})

    said = {"type": "message", "name": "guest-bob", "group": "pond-of-groups", "Text": "Hello, World!"}
    await bob.send(said)
    for one in again, bob:
        await one.next(said)
    like(await bob.ask({**said, "name": "somebody else"}, {"err": str}), {"err": str})
    groups = await bob.ask({"type": "get_groups"}, {"type": "active-groups", "groups": list})
    assert "pond-of-groups" in groups["groups"], groups
