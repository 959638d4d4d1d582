// bench_smoke: --benchmark_filter=event_1k
// A promise that many functions await is Node's event.
"use strict";
const bench = require("bench");

async function measured(count) {
  let set;
  const begins = new Promise((resolve) => (set = resolve));
  let gone = 0;
  const one = async () => {
    await begins;
    gone++;
  };
  const all = [];
  for (let i = 0; i < count; i++) all.push(one());
  set();
  await Promise.all(all);
  bench.expect(gone, count);
}

bench.add("event_1k/Node", 1_000, () => measured(1_000));
bench.add("event_1M/Node", 1_000_000, () => measured(1_000_000));
bench.run();
