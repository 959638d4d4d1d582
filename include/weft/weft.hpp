// All of weft but interop. Each name also comes from a header of its own.
#pragma once

#include <weft/base/config.hpp>
#include <weft/base/results.hpp>
#include <weft/cancel/stop_token.hpp>
#include <weft/combine/timeout.hpp>
#include <weft/combine/when_all.hpp>
#include <weft/coro/blocking.hpp>
#include <weft/coro/concepts.hpp>
#include <weft/coro/run.hpp>
#include <weft/coro/task.hpp>
#include <weft/coro/this_task.hpp>
#include <weft/future/future.hpp>
#include <weft/future/spawn.hpp>
#include <weft/io/file.hpp>
#include <weft/os/clock.hpp>
#include <weft/os/cpu_quota.hpp>
#include <weft/parallel/for_each.hpp>
#include <weft/parallel/fork_join.hpp>
#include <weft/parallel/map.hpp>
#include <weft/parallel/reduce.hpp>
#include <weft/sched/pool.hpp>
#include <weft/scope/scope.hpp>
#include <weft/time/sleep.hpp>
