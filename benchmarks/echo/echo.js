// The echo server on Node's streams. Prints the port.
const server = require("node:net").createServer({ noDelay: true }, (client) => {
  client.on("data", (bytes) => client.write(bytes));
  client.on("error", () => client.destroy());
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 8192 }, () => console.log(server.address().port));
setTimeout(() => process.exit(1), 120000); // whoever has started it may be gone
