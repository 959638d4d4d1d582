# bench_smoke: --benchmark_filter=.
# asyncio has queues, which keep one message at least, and no select: a task for each queue would be another program. A tenth of the items.
import asyncio

import bench

ROUND_TRIPS, MESSAGES, CAPACITY = 10_000, 100_000, 128


def sum_below(n):
    return n * (n - 1) // 2


async def ping_pong():
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def echo():
        while (v := await there.get()) is not None:
            await back.put(v)

    other = asyncio.create_task(echo())
    total = 0
    for i in range(ROUND_TRIPS):
        await there.put(i)
        total += await back.get()
    await there.put(None)
    await other
    bench.expect(total, sum_below(ROUND_TRIPS))


async def stream(tasks):
    queue = asyncio.Queue(CAPACITY)
    each = MESSAGES // tasks

    async def send():
        for i in range(each):
            await queue.put(i)

    async def receive():
        total = 0
        while (v := await queue.get()) is not None:
            total += v
        return total

    receivers = [asyncio.create_task(receive()) for _ in range(tasks)]
    await asyncio.gather(*(send() for _ in range(tasks)))
    for _ in range(tasks):
        await queue.put(None)
    bench.expect(sum(await asyncio.gather(*receivers)), tasks * sum_below(each))


bench.add("ping_pong_kept/asyncio", ROUND_TRIPS, lambda: asyncio.run(ping_pong()))
bench.add("stream_1_1/asyncio", MESSAGES, lambda: asyncio.run(stream(1)))
bench.add("stream_4_4/asyncio", MESSAGES, lambda: asyncio.run(stream(4)))
bench.run()
