// A client of the one-to-one chat's page: frames with an event.

export default async function direct({ dial, signUp, like }) {
  const [one, two, three] = [await signUp("ann-of-direct"), await signUp("bob-of-direct"), await signUp("cyd-of-direct")];
  const [a, b] = [one.user.id, two.user.id];
  const status = (userId, isOnline) => ({ event: "userStatus", data: { userId, isOnline } });

  // Presence is broadcast to all.
  const [ann, bob] = [await dial("/"), await dial("/")];
  await ann.ask({ event: "authenticate", token: one.token }, status(a, true));
  await bob.ask({ event: "authenticate", token: two.token }, status(b, true));
  await ann.next(status(b, true));

  // The first message creates the room.
  await bob.ask({ event: "fetchChats", receiverId: a }, { event: "noRoomFound" });
  await bob.ask({ event: "unReadMessages", receiverId: a }, { event: "noUnreadMessages", data: [] });
  ann.send({ event: "message", receiverId: b, message: "Hello!", images: [] });
  const hello = { senderId: a, receiverId: b, message: "Hello!", images: [] };
  const { data } = await bob.next({ event: "message", data: { ...hello, id: /./, createdAt: /T/ } });
  await ann.next({ event: "message", data: { id: data.id } });

  // Unread until its receiver has fetched it.
  const unread = { event: "unReadMessages", data: { messages: [{ id: data.id, message: "Hello!" }], count: 1 } };
  await bob.ask({ event: "unReadMessages", receiverId: a }, unread);
  await bob.ask({ event: "fetchChats", receiverId: a }, { event: "fetchChats", data: [{ id: data.id, message: "Hello!" }] });
  await bob.ask({ event: "unReadMessages", receiverId: a }, { event: "noUnreadMessages", data: [] });
  await ann.ask({ event: "fetchChats", receiverId: b }, { event: "fetchChats", data: [{ id: data.id, isRead: true }] });

  // Others cannot read it.
  const cyd = await dial("/");
  await cyd.ask({ event: "authenticate", token: three.token }, status(three.user.id, true));
  await cyd.ask({ event: "fetchChats", receiverId: a }, { event: "noRoomFound" });

  const stranger = await dial("/");
  like(await stranger.ask({ event: "authenticate", token: "nonsense" }, { event: /./ }), { event: "error" });
  await bob.close();
  await ann.next(status(b, false));
}
