"""The same with asyncio: IGNORED COUNT."""
import asyncio
import os
import resource
import sys
import time

count = int(sys.argv[2]) if len(sys.argv) > 2 else 1000000
awake = 0


def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


async def one(length):
    global awake
    await asyncio.sleep(length)
    awake += 1


async def main():
    seed, tasks = 42, []
    before, begun, used = resident(), time.monotonic(), cpu()
    for i in range(count):
        length = 1.5
        if i:
            seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
            length = 0.5 + (seed >> 33) % 1000000000 / 1e9
        tasks.append(asyncio.create_task(one(length)))
    await asyncio.sleep(0.25)
    asleep = resident()
    await asyncio.gather(*tasks)
    assert awake == count
    print(f"{time.monotonic() - begun - 1.5:.3f} {cpu() - used:.3f} {(asleep - before) / count:.0f}")


asyncio.run(main())
