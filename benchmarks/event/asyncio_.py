# bench_smoke: --benchmark_filter=event_1k
import asyncio

import bench


async def measured(count):
    begins = asyncio.Event()
    gone = 0

    async def one():
        nonlocal gone
        await begins.wait()
        gone += 1

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(0)  # all begin, and wait
    begins.set()
    await asyncio.gather(*tasks)
    bench.expect(gone, count)


bench.add("event_1k/asyncio", 1_000, lambda: asyncio.run(measured(1_000)))
bench.add("event_1M/asyncio", 100_000, lambda: asyncio.run(measured(100_000)))
bench.run()
