// fib(n) of coroutines: every call a task that awaits two others at once. An item is a task.
// bench_smoke: --benchmark_filter=task_fib20/weft
#pragma once

#include "fib/problem.hpp"
