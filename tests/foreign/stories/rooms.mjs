// A client of the page with public and private rooms: {type, payload}, nobody logs in.

export default async function rooms({ dial, like }) {
  const [ann, bob] = [await dial("/"), await dial("/")];
  const ask = (talk, type, payload) => talk.ask({ type, payload }, { type, code: Number.isInteger });
  const create = async (name, visibility, pass) => {
    const made = await ask(ann, "create", { name, visibility, pass });
    return like(made, { code: 0, payload: { roomId: /^[A-Z0-9]{5}$/ } }).payload.roomId;
  };
  const galaxy = await create("galaxy", "public", "");
  const cellar = await create("cellar-of-rooms", "private", "anyPassword");

  const list = await bob.ask({ type: "query", payload: { query: "rooms" } }, Array.isArray);
  const listed = (id) => list.find((room) => room.id === id);
  like(listed(galaxy), { name: "galaxy", visibility: "public", people: [] });
  like(listed(cellar), { name: "cellar-of-rooms", visibility: "private" });
  if (JSON.stringify(list).includes("anyPassword")) throw new Error("a password was told");

  // Anyone joins a public room; a private one takes its password.
  like(await ask(ann, "join", { name: "alok", roomId: galaxy, pass: "" }), { code: 0, message: "Successfully joined the Room: galaxy" });
  like(await ask(bob, "join", { name: "ravi", roomId: galaxy, pass: "" }), { code: 0 });
  like(await ask(bob, "join", { name: "ravi", roomId: galaxy, pass: "" }), { code: 1, message: "You are already in the Room: galaxy" });
  like(await ask(bob, "join", { name: "ravi", roomId: cellar, pass: "wrong" }), { code: 1, message: "Invalid Pass Key!" });
  like(await ask(bob, "join", { name: "ravi", roomId: cellar, pass: "anyPassword" }), { code: 0 });
  like(await ask(bob, "join", { name: "ravi", roomId: "EOF29", pass: "" }), { code: 1, message: "Room does not exist" });

  // A client may be in several rooms, and receives the messages of each.
  const chat = { type: "chat", payload: { roomId: galaxy, user: "ravi", msg: "Hello" } };
  like(await ask(bob, "chat", { roomId: galaxy, msg: "Hello" }), { code: 0, message: "Message sent" });
  await ann.next(chat);
  like(await ask(ann, "chat", { roomId: cellar, msg: "let me in" }), { code: 1, message: "You are not in the Room" });

  like(await ask(bob, "leave", { roomId: galaxy }), { code: 0, message: "User 'ravi' left the Room 'galaxy'" });
  like(await ask(bob, "leave", { roomId: galaxy }), { code: 1 });
  like(await ask(bob, "chat", { roomId: galaxy, msg: "still here" }), { code: 1, message: "You are not in the Room" });
  like(await ask(ann, "fly", {}), { code: 1 });
}
