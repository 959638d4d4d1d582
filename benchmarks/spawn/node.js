// bench_smoke: --benchmark_filter=10k
"use strict";
const bench = require("bench");

const FEW = 10_000, MANY = 1_000_000;

async function awaited(count) {
  const one = async (i) => {
    await null; // or it would be a plain call
    return i;
  };
  const all = [];
  for (let i = 0; i < count; i++) all.push(one(i));
  let sum = 0;
  for (const v of await Promise.all(all)) sum += v;
  bench.expect(sum, (count * (count - 1)) / 2);
}

bench.add("spawn_await_10k/Node", FEW, () => awaited(FEW));
bench.add("spawn_await_1M/Node", MANY, () => awaited(MANY));
bench.run();
