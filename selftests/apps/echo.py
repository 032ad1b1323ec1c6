# SPDX-License-Identifier: GPL-2.0
"""echo.py PORT: an asyncio server of streams; what comes as length (four bytes, big-endian) and data goes back reversed."""
import asyncio
import struct
import sys


async def serve(reader, writer):
    try:
        while True:
            length, = struct.unpack(">I", await reader.readexactly(4))
            writer.write((await reader.readexactly(length))[::-1])
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, None, int(sys.argv[1]))
    async with server:
        await server.serve_forever()

asyncio.run(main())
