// A client of the group chat's page: flat frames with a type.

export default async function groups({ dial, like }) {
  const [ann, bob] = [await dial("/"), await dial("/")];

  // A client that connects joins the group, or the lobby; the others are notified.
  const acknowledged = (name, Group) => ({ type: "acknowledge-connect", name, Group });
  await ann.ask({ type: "first-connect", name: "UserName" }, acknowledged("UserName", "lobby"));
  const other = await dial("/");
  await other.ask({ type: "first-connect", name: "UserName" }, { type: "reject-connect", err: "User Exists" });
  await other.ask({ type: "first-connect", name: "nobody", group: "no such group" }, { type: "reject-connect" });
  await bob.ask({ type: "first-connect", name: "Other", group: "lobby" }, acknowledged("Other", "lobby"));
  await ann.next({ type: "user-added", name: "Other", Group: "lobby" });

  // A message is broadcast to all members, its sender too.
  const message = { type: "message", name: "UserName", group: "lobby", Text: "Hello, World!" };
  ann.send(message);
  await ann.next(message);
  await bob.next(message);

  // The creator of a group is a member.
  await ann.ask({ type: "make_group", group_name: "NewGroupName" }, acknowledged("UserName", "NewGroupName"));
  await bob.ask({ type: "make_group", group_name: "NewGroupName" }, { err: /./ });
  const active = await bob.ask({ type: "get_groups" }, { type: "active-groups" });
  for (const name of ["lobby", "NewGroupName"]) like(active.groups.includes(name), true);

  // Sign-up and log-in return the account, and never the password.
  const newcomer = await dial("/");
  const told = await newcomer.ask(
    { type: "sign-up", name: "NewUser", pwrd: "password", id: "unique-id" },
    { type: "sign-up", data: { name: "NewUser", id: "unique-id" } },
  );
  like(JSON.stringify(told).includes('"password"'), false);
  await newcomer.ask({ type: "sign-up", name: "Another", pwrd: "password", id: "unique-id" }, { type: "err", err: "Similar IDs" });
  const returning = await dial("/");
  await returning.ask({ type: "log_in", name: "NewUser", pwrd: "wrong" }, { type: "err", err: "wrong-password" });
  const login = await returning.ask({ type: "log_in", name: "NewUser", pwrd: "password" }, { type: "login-accept" });
  like(login, { data: { name: "NewUser", id: "unique-id", groups: Array.isArray } });

  await bob.close();
  await ann.next({ type: "user-removed", name: "Other", Group: "lobby" });
}
