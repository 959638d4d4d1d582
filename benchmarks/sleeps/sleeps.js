// The same with promises of timers: IGNORED COUNT. Timers have milliseconds.
const count = Number(process.argv[3] ?? 1000000);
let awake = 0, asleep = 0, seed = 42n;
const one = async (length) => {
  await new Promise((resume) => setTimeout(resume, length));
  ++awake;
};
const used = process.cpuUsage(), before = process.memoryUsage().rss, begun = process.hrtime.bigint();
const all = [];
for (let i = 0; i < count; ++i) {
  let length = 1500;
  if (i > 0) {
    seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
    length = 500 + Number((seed >> 33n) % 1000000000n) / 1e6;
  }
  all.push(one(length));
}
setTimeout(() => { asleep = process.memoryUsage().rss; }, 250);
Promise.all(all).then(() => {
  const took = Number(process.hrtime.bigint() - begun) / 1e9 - 1.5;
  const cpu = process.cpuUsage(used);
  if (awake !== count) process.exit(1);
  console.log(took.toFixed(3), ((cpu.user + cpu.system) / 1e6).toFixed(3), ((asleep - before) / count).toFixed(0));
});
