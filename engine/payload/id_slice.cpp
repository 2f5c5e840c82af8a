#include "engine/payload/id_slice.h"

#include <bit>
#include <cstddef>

namespace almagest {
namespace {

struct SipState {
  uint64_t v0 = 0x736f6d6570736575;  // The constants of the paper, under a zero key.
  uint64_t v1 = 0x646f72616e646f6d;
  uint64_t v2 = 0x6c7967656e657261;
  uint64_t v3 = 0x7465646279746573;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

// Of a message of whole 8-byte words, given as little-endian numbers.
template <size_t kWords>
uint64_t SipHash(const uint64_t (&words)[kWords]) {
  SipState state;
  for (const uint64_t word : words) state.Absorb(word);
  state.Absorb(uint64_t{kWords * 8} << 56);  // The last word: no bytes left, and the length.
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

uint64_t LittleEndian(const uint8_t* bytes) {
  uint64_t word = 0;
  for (int i = 7; i >= 0; --i) word = word << 8 | bytes[i];
  return word;
}

}  // namespace

uint64_t HashOfId(const PointId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) return SipHash({*number});
  const auto& bytes = std::get<Uuid>(id).bytes;
  return SipHash({LittleEndian(bytes.data()), LittleEndian(bytes.data() + 8)});
}

}  // namespace almagest
