// A million tasks wait for one event. An item is a task: started, suspended, woken, ended. Beside the time: the memory that each takes
// while it waits, from the memory of the process that is in RAM then.
// bench_smoke: --benchmark_filter=event_1k
#pragma once

namespace bench::event {

inline constexpr int few = 1'000, many = 1'000'000;

}  // namespace bench::event
