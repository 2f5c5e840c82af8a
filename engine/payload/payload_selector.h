// Which part of a payload an answer carries: `with_payload` true, false, a list to include or a
// list to exclude.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/payload/payload_path.h"

namespace almagest {

struct PayloadSelector {
  enum class Mode : uint8_t { kNone, kAll, kInclude, kExclude };
  Mode mode = Mode::kNone;
  std::vector<PayloadPath> paths;  // For kInclude and kExclude.

  bool wanted() const { return mode != Mode::kNone; }
};

// The selected part of a canonical payload, as canonical text: an object, `{}` if nothing is left
// or the payload is empty. kInclude keeps what lies under a path and the objects that lead to it;
// kExclude drops what lies under a path. With kNone the answer is `{}`: the caller leaves it out.
std::string SelectPayload(const PayloadSelector& selector, std::string_view payload);

}  // namespace almagest
