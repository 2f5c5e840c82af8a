// Zeroed memory for arrays that are read at random: aligned to cache lines and, from 2 MiB on, to
// huge pages, which are asked for. Where the system grants them a random read misses the address
// translation far less often.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

namespace almagest {

// Movable; the address stays the same when moved. Not thread-safe.
class CodeMemory {
 public:
  CodeMemory() = default;
  explicit CodeMemory(size_t bytes) : bytes_(bytes) {
    constexpr size_t kHugePage = size_t{2} << 20;
    const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
    const size_t whole = (bytes + alignment - 1) / alignment * alignment;
    if (whole == 0) return;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, whole)));
    if (data_ == nullptr) throw std::bad_alloc();
    if (alignment == kHugePage) madvise(data_.get(), whole, MADV_HUGEPAGE);  // A wish: may fail.
    std::memset(data_.get(), 0, whole);
  }

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  size_t size() const { return bytes_; }
  std::span<const std::byte> bytes() const { return {data_.get(), bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const { std::free(data); }
  };
  std::unique_ptr<std::byte, Free> data_;
  size_t bytes_ = 0;
};

}  // namespace almagest
