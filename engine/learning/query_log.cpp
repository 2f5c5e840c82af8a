#include "engine/learning/query_log.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void FillRandom(void* target, size_t bytes) {
  auto* out = static_cast<unsigned char*>(target);
  while (bytes > 0) {
    const ssize_t count = ::getrandom(out, bytes, 0);
    if (count < 0) {
      ALMAGEST_CHECK(errno == EINTR);
      continue;
    }
    out += count;
    bytes -= static_cast<size_t>(count);
  }
}

// From the kernel, 32 keys at a time for each thread.
void FillKey(std::array<uint64_t, 2>& key) {
  struct Pool {
    std::array<std::array<uint64_t, 2>, 32> keys;
    size_t left = 0;
  };
  thread_local Pool pool;
  if (pool.left == 0) {
    FillRandom(pool.keys.data(), sizeof pool.keys);
    pool.left = pool.keys.size();
  }
  key = pool.keys[--pool.left];
}

int HexValue(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

// About: allocators and hash tables add their own.
size_t BytesOf(const LoggedQuery& query) {
  constexpr size_t kEntryBytes = sizeof(LoggedQuery) + 128;
  return kEntryBytes + query.vector_name.size() + (query.text ? query.text->size() : 0) +
         query.base_vector.size() * sizeof(float) +
         (query.results.size() + (query.exploration ? query.exploration->candidates.size() : 0)) *
             sizeof(PointId) +
         (query.interleaving ? query.interleaving->teams.size() : 0);
}

}  // namespace

QueryLog::QueryLog(size_t capacity, size_t bytes_max)
    : capacity_(std::max<size_t>(capacity, 1)), bytes_max_(bytes_max) {}

void QueryLog::DropOldest() {
  const auto oldest = entries_.find(order_.front());
  bytes_ -= oldest->second.bytes;
  entries_.erase(oldest);
  order_.pop_front();
}

std::string QueryLog::Remember(uint32_t collection_id, LoggedQuery query) {
  Key key;
  FillKey(key);
  std::string id;
  id.reserve(32);
  for (const uint64_t word : key) {
    for (int shift = 60; shift >= 0; shift -= 4) id += kHexDigits[(word >> shift) & 15];
  }
  if (query.results.size() > kLoggedResultsMax) {
    query.results.resize(kLoggedResultsMax);
    query.results.shrink_to_fit();
  }
  const size_t bytes = BytesOf(query);
  auto shared = std::make_shared<const LoggedQuery>(std::move(query));
  const std::lock_guard lock(mutex_);
  while (!order_.empty() && (order_.size() >= capacity_ || bytes_ + bytes > bytes_max_)) {
    DropOldest();
  }
  entries_.emplace(key, Entry{collection_id, bytes, std::move(shared)});
  order_.push_back(key);
  bytes_ += bytes;
  return id;
}

std::optional<QueryLog::Key> QueryLog::ParseId(std::string_view id) {
  if (id.size() != 32) return std::nullopt;
  Key key{};
  for (size_t i = 0; i < id.size(); ++i) {
    const int value = HexValue(id[i]);
    if (value < 0) return std::nullopt;
    key[i / 16] = key[i / 16] << 4 | static_cast<uint64_t>(value);
  }
  return key;
}

std::shared_ptr<const LoggedQuery> QueryLog::Find(uint32_t collection_id,
                                                  std::string_view id) const {
  const auto key = ParseId(id);
  if (!key) return nullptr;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(*key);
  if (found == entries_.end() || found->second.collection_id != collection_id) return nullptr;
  return found->second.query;
}

std::vector<std::shared_ptr<const LoggedQuery>> QueryLog::Newest(uint32_t collection_id,
                                                                 std::string_view vector_name,
                                                                 size_t max) const {
  std::vector<std::shared_ptr<const LoggedQuery>> newest;
  const std::lock_guard lock(mutex_);
  for (auto key = order_.rbegin(); key != order_.rend() && newest.size() < max; ++key) {
    const Entry& entry = entries_.at(*key);
    if (entry.collection_id != collection_id || entry.query->vector_name != vector_name) continue;
    newest.push_back(entry.query);
  }
  return newest;
}

void QueryLog::ForgetCollection(uint32_t collection_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(order_, [&](const Key& key) {
    const auto found = entries_.find(key);
    if (found->second.collection_id != collection_id) return false;
    bytes_ -= found->second.bytes;
    entries_.erase(found);
    return true;
  });
}

size_t QueryLog::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace almagest
