#include "engine/collection/change_log.h"

#include <algorithm>
#include <cstring>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr uint32_t kFormat = 1;

struct Header {
  uint32_t format = kFormat;
  uint32_t fields = 0;
  uint64_t checksum = 0;  // Of everything behind it.
  SequenceNumber previous = 0;
  uint64_t points = 0;
};
struct FieldHeader {
  uint32_t field = 0;
  uint32_t terms = 0;
  int64_t points = 0;
};
constexpr size_t kChecksumEnd = 16;

template <class T>
void Append(std::string* bytes, const T& value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
bool Take(std::string_view* bytes, T* value) {
  if (bytes->size() < sizeof *value) return false;
  std::memcpy(value, bytes->data(), sizeof *value);
  bytes->remove_prefix(sizeof *value);
  return true;
}

tl::unexpected<Error> Damaged() {
  return Fail(ErrorCode::kCorruption, "a change record is damaged");
}

}  // namespace

void TermChanges::Count(std::span<const uint32_t> changed, int32_t by) {
  points += by;
  for (const uint32_t term : changed) terms.push_back({term, by});
}

void TermChanges::Pack() {
  std::ranges::sort(terms, {}, &TermChange::term);
  size_t kept = 0;
  for (size_t first = 0; first < terms.size();) {
    TermChange sum{terms[first].term, 0};
    for (; first < terms.size() && terms[first].term == sum.term; ++first)
      sum.by += terms[first].by;
    if (sum.by != 0) terms[kept++] = sum;
  }
  terms.resize(kept);
}

std::string EncodeChanges(const ChangeSet& changes) {
  std::string bytes;
  bytes.reserve(sizeof(Header) + changes.points.size() * sizeof(ChangedPoint));
  Header header;
  header.fields = static_cast<uint32_t>(changes.terms.size());
  header.previous = changes.previous;
  header.points = changes.points.size();
  Append(&bytes, header);
  for (const ChangedPoint& point : changes.points) Append(&bytes, point);
  for (const auto& [field, change] : changes.terms) {
    Append(&bytes, FieldHeader{field, static_cast<uint32_t>(change.terms.size()), change.points});
    for (const TermChange& term : change.terms) Append(&bytes, term);
  }
  const uint64_t checksum =
      Checksum(bytes.data() + kChecksumEnd, bytes.size() - kChecksumEnd) ^ header.fields;
  std::memcpy(bytes.data() + kChecksumEnd - sizeof checksum, &checksum, sizeof checksum);
  return bytes;
}

Result<ChangeSet> DecodeChanges(std::string_view bytes) {
  Header header;
  std::string_view rest = bytes;
  if (!Take(&rest, &header) || header.format != kFormat) return Damaged();
  if ((Checksum(bytes.data() + kChecksumEnd, bytes.size() - kChecksumEnd) ^ header.fields) !=
      header.checksum) {
    return Damaged();
  }
  if (header.points > rest.size() / sizeof(ChangedPoint)) return Damaged();
  ChangeSet changes;
  changes.previous = header.previous;
  changes.points.resize(header.points);
  for (ChangedPoint& point : changes.points) {
    if (!Take(&rest, &point)) return Damaged();
  }
  for (uint32_t i = 0; i < header.fields; ++i) {
    FieldHeader field;
    if (!Take(&rest, &field)) return Damaged();
    TermChanges& change = changes.terms[static_cast<FieldId>(field.field)];
    change.points = field.points;
    if (field.terms > rest.size() / sizeof(TermChange)) return Damaged();
    change.terms.resize(field.terms);
    for (TermChange& term : change.terms) Take(&rest, &term);
  }
  if (!rest.empty()) return Damaged();
  return changes;
}

}  // namespace almagest
