"""The echo server on asyncio's transports and protocols, which cost it less than its streams. Prints the port."""
import asyncio
import signal


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


signal.alarm(120)  # whoever has started it may be gone
asyncio.run(main())
