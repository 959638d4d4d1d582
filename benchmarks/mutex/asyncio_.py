# bench_smoke: --benchmark_filter=few
# A tenth of the items. While a lock is held, a task gives way: there is no other way for another to find it held.
import asyncio

import bench

COUNTS, FEW = 100_000, 10_000


async def measured(contenders, total, gives_way):
    lock, value = asyncio.Lock(), 0

    async def contender():
        nonlocal value
        for _ in range(total // contenders):
            async with lock:
                value += 1
                if gives_way:
                    await asyncio.sleep(0)

    await asyncio.gather(*(contender() for _ in range(contenders)))
    bench.expect(value, total)


def add(name, contenders, total, gives_way=False):
    bench.add(f"{name}/asyncio", total, lambda: asyncio.run(measured(contenders, total, gives_way)))


add("mutex_uncontended", 1, COUNTS)
add("mutex_few", 100, FEW)
add("mutex_1000_queued", 1000, COUNTS, gives_way=True)
bench.run()
