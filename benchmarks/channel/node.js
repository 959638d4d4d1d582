// bench_smoke: --benchmark_filter=.
// Node has no channels; this is what one writes: a bounded queue, and promises for those who wait. No select. A tenth of the items.
"use strict";
const bench = require("bench");

const ROUND_TRIPS = 10_000, MESSAGES = 100_000, CAPACITY = 128;
const sumBelow = (n) => (n * (n - 1)) / 2;

class Channel {
  #items = [];
  #first = 0;
  #senders = [];
  #receivers = [];
  constructor(capacity) {
    this.capacity = capacity;
  }
  async send(v) {
    while (this.#items.length - this.#first >= this.capacity) await new Promise((resolve) => this.#senders.push(resolve));
    this.#items.push(v);
    this.#receivers.shift()?.();
  }
  async receive() {
    while (this.#first === this.#items.length) await new Promise((resolve) => this.#receivers.push(resolve));
    const v = this.#items[this.#first++];
    if (this.#first === this.capacity || this.#first === this.#items.length) {
      this.#items.splice(0, this.#first);
      this.#first = 0;
    }
    this.#senders.shift()?.();
    return v;
  }
}

async function pingPong() {
  const there = new Channel(1), back = new Channel(1);
  const echo = async () => {
    for (let v; (v = await there.receive()) !== null; ) await back.send(v);
  };
  const other = echo();
  let sum = 0;
  for (let i = 0; i < ROUND_TRIPS; i++) {
    await there.send(i);
    sum += await back.receive();
  }
  await there.send(null);
  await other;
  bench.expect(sum, sumBelow(ROUND_TRIPS));
}

async function stream(tasks) {
  const channel = new Channel(CAPACITY);
  const each = MESSAGES / tasks;
  const send = async () => {
    for (let i = 0; i < each; i++) await channel.send(i);
  };
  const receive = async () => {
    let sum = 0;
    for (let v; (v = await channel.receive()) !== null; ) sum += v;
    return sum;
  };
  const receivers = Array.from({ length: tasks }, receive);
  await Promise.all(Array.from({ length: tasks }, send));
  for (let i = 0; i < tasks; i++) await channel.send(null);
  const sums = await Promise.all(receivers);
  bench.expect(sums.reduce((a, b) => a + b), tasks * sumBelow(each));
}

bench.add("ping_pong_kept/Node", ROUND_TRIPS, pingPong);
bench.add("stream_1_1/Node", MESSAGES, () => stream(1));
bench.add("stream_4_4/Node", MESSAGES, () => stream(4));
bench.run();
