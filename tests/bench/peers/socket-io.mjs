// npm `socket.io`, by its "get started" chat.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http);
io.on("connection", (socket) => {
  socket.on("message", (text) => io.emit("message", text));
});
http.listen(0, "127.0.0.1", () => console.log(`listening 127.0.0.1:${http.address().port}`));
