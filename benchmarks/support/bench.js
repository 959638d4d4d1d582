// What the Node programs share: they take the options and write the JSON of Google Benchmark, as far as benchmarks/report needs it.
"use strict";
const fs = require("node:fs");

const benchmarks = [];

function fail(why) {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}

// A wrong answer ends the process: a time without a right answer means nothing.
exports.expect = (got, expected) => {
  if (got !== expected) fail(`wrong answer ${got}, expected ${expected}`);
};

// An asynchronous body that does so many items, on one thread: an event loop has one.
exports.add = (name, items, body) => benchmarks.push({ name: `${name}/workers:1`, items, body });

async function measure(body, iterations) {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  for (let i = 0; i < iterations; i++) await body();
  const used = process.cpuUsage(cpu);
  return { wall: Number(process.hrtime.bigint() - wall) / iterations, cpu: (1000 * (used.user + used.system)) / iterations };
}

async function iterationsFor(body, minTime) {
  for (let iterations = 1; ; ) {
    const wall = ((await measure(body, iterations)).wall * iterations) / 1e9;
    if (wall >= minTime) return iterations;
    iterations = Math.ceil(iterations * Math.min(Math.max((1.4 * minTime) / Math.max(wall, 1e-9), 1.1), 10));
  }
}

function options() {
  const o = { filter: ".", repetitions: "1", min_time: "0.5", out: "", list_tests: "false" };
  for (const argument of process.argv.slice(2)) {
    if (!argument.startsWith("--benchmark_")) fail(`unknown option ${argument}`);
    const at = argument.indexOf("=");
    const name = argument.slice("--benchmark_".length, at < 0 ? undefined : at);
    o[name] = at < 0 ? "true" : argument.slice(at + 1); // others are taken and ignored
  }
  return o;
}

// Does what the command line asks for.
exports.run = async () => {
  const o = options();
  const wanted = benchmarks.filter((b) => new RegExp(o.filter).test(b.name));
  if (o.list_tests === "true") return wanted.forEach((b) => console.log(b.name));
  for (const b of wanted) b.iterations = await iterationsFor(b.body, parseFloat(o.min_time));
  const repetitions = Number(o.repetitions);
  const results = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const { name, items, body, iterations } of wanted) {
      const { wall, cpu } = await measure(body, iterations);
      console.log(`${name.padEnd(60)} ${wall.toFixed(0).padStart(15)} ns ${cpu.toFixed(0).padStart(15)} ns ${String(iterations).padStart(10)}`);
      results.push({ name, run_name: name, run_type: "iteration", repetitions, repetition_index: repetition, threads: 1, iterations,
                     real_time: wall, cpu_time: cpu, time_unit: "ns", items_per_second: (items * 1e9) / wall });
    }
  }
  if (o.out && results.length) fs.writeFileSync(o.out, JSON.stringify({ context: {}, benchmarks: results }));
  const peak = process.env.BENCH_PEAK_MEMORY; // see peak_memory.cpp
  if (peak) fs.writeFileSync(peak, `${/^VmHWM:\s+(\d+)/m.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]}\n`);
};
