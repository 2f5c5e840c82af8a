// Jobs as stored records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/learning/job.h"
#include "storage/base/result.h"

namespace almagest {

// Job ids are "job-N" with a number that counts up over the whole server; records are keyed by it.
std::string JobIdOf(uint64_t number);
std::optional<uint64_t> ParseJobId(std::string_view id);

std::string EncodeJob(const Job& job);
// kCorruption when the bytes are not what EncodeJob wrote.
Result<Job> DecodeJob(std::string_view bytes);

}  // namespace almagest
