// Fetches a snapshot by http or https, from hosts that the operator named, and from no others: a
// request must not make the server speak to whatever it can reach. Redirects are not followed.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

struct SnapshotSources {
  std::vector<std::string> hosts;  // "name" or "name:port"; empty: none.
  uint64_t bytes_max = uint64_t{64} << 30;
  std::chrono::seconds timeout{3600};  // Of the whole transfer.
};

// Into `path`, which must not exist. `api_key` is sent along unless it is empty. Blocks. kForbidden
// for a host that is not allowed, kBadRequest for an answer that is no snapshot (naming the
// status), kUnavailable if the host cannot be reached, kTooLarge.
Result<> DownloadSnapshot(const std::string& url, const std::string& api_key,
                          const SnapshotSources& sources, const std::filesystem::path& path);

}  // namespace almagest
