// What is fuzzed: each parser that bytes from outside reach, as a function that takes any bytes and
// must come back. A target aborts (or a sanitizer does) when something is wrong; answers are not
// judged, except where two ways to the same answer must agree.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace almagest {

struct FuzzTarget {
  std::string_view name;
  void (*run)(std::string_view bytes);
  std::vector<std::string> words;  // Put into inputs as they are: what random bytes never hit.
};

// json, filter, query, feedback, adaptation, token, claims, snapshot, sparse, multipart, npy, url.
std::span<const FuzzTarget> FuzzTargets();

}  // namespace almagest
