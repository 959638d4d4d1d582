// A private member of a class, for a test that looks inside: an explicit instantiation may name it, and nothing else may.
#pragma once

namespace weft_test {

/// Lets `member_of(Name)` return Member. Name, in a namespace that has a name, has the type of the member and declares the function:
///
///   struct take_one {
///     using type = int (box::*)() noexcept;
///     friend type member_of(take_one);
///   };
///   template struct opens<take_one, &box::take>;
///   ... (the_box.*member_of(take_one{}))()
template <class Name, typename Name::type Member>
struct opens {
  friend typename Name::type member_of(Name) { return Member; }
};

}  // namespace weft_test
