// results<T...>: what several things gave, 2 to 16 of them, as a plain aggregate.
// Plain, because structured bindings of a tuple straight from co_await leak on GCC 15 and 16, and because a reader of a
// debugger sees members with names. Written out, because only an aggregate's own members take part in structured bindings.
#pragma once

#include <cstddef>

namespace weft {

/// The results of fork_join and when_all, in the order of what was asked: `auto [a, b] = …`, or .first, .second, …
/// Nothing (void) is weft::unit, references stay references.
template <class... T>
struct results {
  static_assert(sizeof...(T) >= 2 && sizeof...(T) <= 16,
                "fork_join and when_all take 2 to 16 things at a time; for more, give a range: parallel_map(range, f), "
                "when_all(range_of_tasks)");
};

template <class T1, class T2>
struct results<T1, T2> {
  T1 first;
  T2 second;
};

template <class T1, class T2, class T3>
struct results<T1, T2, T3> {
  T1 first;
  T2 second;
  T3 third;
};

template <class T1, class T2, class T3, class T4>
struct results<T1, T2, T3, T4> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
};

template <class T1, class T2, class T3, class T4, class T5>
struct results<T1, T2, T3, T4, T5> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6>
struct results<T1, T2, T3, T4, T5, T6> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7>
struct results<T1, T2, T3, T4, T5, T6, T7> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8>
struct results<T1, T2, T3, T4, T5, T6, T7, T8> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10,
          class T11>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
  T11 eleventh;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10,
          class T11, class T12>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
  T11 eleventh;
  T12 twelfth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10,
          class T11, class T12, class T13>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
  T11 eleventh;
  T12 twelfth;
  T13 thirteenth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10,
          class T11, class T12, class T13, class T14>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
  T11 eleventh;
  T12 twelfth;
  T13 thirteenth;
  T14 fourteenth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10,
          class T11, class T12, class T13, class T14, class T15>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
  T11 eleventh;
  T12 twelfth;
  T13 thirteenth;
  T14 fourteenth;
  T15 fifteenth;
};

template <class T1, class T2, class T3, class T4, class T5, class T6, class T7, class T8, class T9, class T10,
          class T11, class T12, class T13, class T14, class T15, class T16>
struct results<T1, T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13, T14, T15, T16> {
  T1 first;
  T2 second;
  T3 third;
  T4 fourth;
  T5 fifth;
  T6 sixth;
  T7 seventh;
  T8 eighth;
  T9 ninth;
  T10 tenth;
  T11 eleventh;
  T12 twelfth;
  T13 thirteenth;
  T14 fourteenth;
  T15 fifteenth;
  T16 sixteenth;
};

}  // namespace weft
