"""A server on asyncio's streams, with nothing but the standard library."""
import asyncio
import os


async def serve(reader, writer):
    while (line := await reader.readline()).strip():
        pass
    peer = writer.get_extra_info("peername")[0]
    body = f"pid={os.getpid()}\npeer={peer}\n".encode()
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    print(f"{peer} asked", flush=True)
    await writer.drain()
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "0.0.0.0", int(os.environ["PORT"]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
