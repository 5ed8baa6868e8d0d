// Bun, by the pub/sub example of its WebSocket guide. `server.publish` reaches the sender, too.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response("a WebSocket is wanted", { status: 426 });
  },
  websocket: {
    open(socket) {
      socket.subscribe("room");
    },
    message(_, text) {
      server.publish("room", text);
    },
  },
});
console.log(`listening 127.0.0.1:${server.port}`);
