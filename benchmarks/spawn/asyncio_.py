# bench_smoke: --benchmark_filter=10k
# A tenth of the million: a task costs the interpreter some microseconds.
import asyncio

import bench

FEW, MANY = 10_000, 100_000


async def one(i):
    return i


async def awaited(count):
    tasks = [asyncio.create_task(one(i)) for i in range(count)]
    bench.expect(sum(await asyncio.gather(*tasks)), count * (count - 1) // 2)


bench.add("spawn_await_10k/asyncio", FEW, lambda: asyncio.run(awaited(FEW)))
bench.add("spawn_await_1M/asyncio", MANY, lambda: asyncio.run(awaited(MANY)))
bench.run()
