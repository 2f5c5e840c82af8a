#include "http/compression.h"

#include <zlib.h>

#include <algorithm>
#include <cctype>

namespace almagest {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipHeader = 16;  // Added to the window's bits.

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

// "q=0", "q=0.000": not at all.
bool IsRefused(std::string_view parameters) {
  const size_t equals = parameters.find('=');
  if (equals == std::string_view::npos) return false;
  if (!EqualsIgnoringCase(Trim(parameters.substr(0, equals)), "q")) return false;
  const std::string_view weight = Trim(parameters.substr(equals + 1));
  return !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const size_t comma = accept_encoding.find(',');
    const std::string_view item = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(comma == std::string_view::npos ? accept_encoding.size()
                                                                  : comma + 1);
    const size_t semicolon = item.find(';');
    const std::string_view coding = Trim(item.substr(0, semicolon));
    if (!EqualsIgnoringCase(coding, "gzip") && coding != "*") continue;
    return semicolon == std::string_view::npos || !IsRefused(item.substr(semicolon + 1));
  }
  return false;
}

std::string Gzip(std::string_view text) {
  constexpr int kMemoryLevel = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindowBits + kGzipHeader, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return packed;
}

Unpacked Gunzip(std::string_view packed, size_t bytes_max, std::string& text) {
  constexpr size_t kPiece = 64u << 10;
  z_stream stream{};
  if (packed.size() > UINT32_MAX || inflateInit2(&stream, kWindowBits + kGzipHeader) != Z_OK) {
    return Unpacked::kBroken;
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int code = Z_OK;
  bool fits = true;
  while (code == Z_OK && fits) {
    const size_t size = text.size();
    // One byte more than fits tells a body that is just long enough from one that goes on.
    const size_t room = std::min(kPiece, bytes_max - size + 1);
    text.resize(size + room);
    stream.next_out = reinterpret_cast<Bytef*>(text.data() + size);
    stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    text.resize(size + room - stream.avail_out);
    fits = text.size() <= bytes_max;
  }
  const bool whole = code == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!fits) return Unpacked::kTooLarge;
  return whole ? Unpacked::kDone : Unpacked::kBroken;
}

}  // namespace almagest
