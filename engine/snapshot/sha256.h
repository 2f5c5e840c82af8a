// SHA-256 in pieces, by OpenSSL: the checksum that descriptions of snapshots carry.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace almagest {

// Not thread-safe: one object per stream of bytes. About 500 MB/s, 1.8 GB/s with SHA extensions.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Add(std::string_view bytes);
  // 64 lower-case hexadecimal digits. Call once.
  std::string Finish();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string Sha256Hex(std::span<const std::byte> bytes);

}  // namespace almagest
