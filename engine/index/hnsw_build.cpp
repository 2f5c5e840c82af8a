#include "engine/index/hnsw_build.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "engine/index/hnsw_links.h"
#include "engine/index/top_k.h"
#include "engine/index/visited_set.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr size_t kInsertsBetweenProgress = 256;

bool ComesAfter(const ScoredRow& a, const ScoredRow& b) { return ComesBefore(b, a); }

// [l] Exponentially distributed with factor 1 / ln(degree), as in the paper.
uint32_t DrawLevel(uint64_t seed, uint32_t row, uint32_t degree) {
  const double uniform =
      static_cast<double>(Mix64(seed ^ Mix64(uint64_t{row} + 1)) >> 11) * 0x1.0p-53;
  const double level = -std::log1p(-uniform) / std::log(static_cast<double>(degree));
  return std::min(static_cast<uint32_t>(level), kHnswLevelMax);
}

struct Scratch {
  VisitedSet visited;
  std::vector<ScoredRow> found;     // Input and output of SearchLevel.
  std::vector<ScoredRow> frontier;  // A heap, best in front.
  std::vector<ScoredRow> candidates;
  std::vector<uint32_t> links;
  std::vector<uint32_t> batch;
  std::vector<float> scores;
  std::vector<uint32_t> selected;
  std::vector<uint32_t> pruned;
};

class GraphBuilder {
 public:
  GraphBuilder(const DenseRowsView& rows, Metric metric, const HnswBuildOptions& options)
      : rows_(rows),
        options_(options),
        kernels_(KernelsFor(metric)),
        selection_(rows, metric),
        arrays_(EmptyArrays(rows, options)),
        table_(arrays_) {}

  Result<HnswGraphArrays> Run() {
    if (arrays_.meta.entry_row == kNoRow) return std::move(arrays_);
    std::vector<std::jthread> helpers;
    for (uint32_t i = 1; i < options_.thread_count; ++i) {
      try {
        helpers.emplace_back([this] { InsertRows(); });
      } catch (const std::system_error&) {
        break;  // The system has no more threads; those there are do the work.
      }
    }
    InsertRows();
    helpers.clear();
    if (cancelled_) return Fail(ErrorCode::kTimeout, "building the HNSW graph was cancelled");
    LinkUnreachedRows();
    return std::move(arrays_);
  }

 private:
  static HnswGraphArrays EmptyArrays(const DenseRowsView& rows, const HnswBuildOptions& options) {
    HnswGraphArrays arrays;
    arrays.meta.row_count = rows.count;
    arrays.meta.degree = options.degree;
    arrays.upper_first.reserve(size_t{rows.count} + 1);
    uint32_t lists = 0;
    for (uint32_t row = 0; row < rows.count; ++row) {
      arrays.upper_first.push_back(lists);
      if (!rows.Present(row)) continue;
      const uint32_t level = DrawLevel(options.seed, row, options.degree);
      lists += level;
      if (arrays.meta.entry_row == kNoRow || level > arrays.meta.entry_level) {
        arrays.meta.entry_row = row;
        arrays.meta.entry_level = level;
      }
    }
    arrays.upper_first.push_back(lists);
    arrays.upper.assign(size_t{lists} * options.degree, kNoRow);
    arrays.level0.assign(size_t{rows.count} * 2 * options.degree, kNoRow);
    return arrays;
  }

  Scratch MakeScratch() const {
    Scratch s;
    s.links.resize(table_.Capacity(0));
    s.batch.resize(table_.Capacity(0) + 1);
    s.scores.resize(table_.Capacity(0) + 1);
    return s;
  }

  // The work of one thread: takes the next row until none is left.
  void InsertRows() {
    Scratch s = MakeScratch();
    while (!cancelled_.load(std::memory_order_relaxed)) {
      const size_t row = next_row_.fetch_add(1, std::memory_order_relaxed);
      if (row >= rows_.count) return;
      if (!rows_.Present(static_cast<uint32_t>(row))) continue;
      // The entry row is there from the start, without links.
      if (row != arrays_.meta.entry_row) Insert(static_cast<uint32_t>(row), s);
      const size_t done = done_.fetch_add(1, std::memory_order_relaxed) + 1;
      if (done % kInsertsBetweenProgress == 0 && options_.progress) {
        const std::lock_guard lock(progress_mutex_);
        if (!options_.progress(done)) cancelled_ = true;
      }
    }
  }

  // Algorithm 1.
  void Insert(uint32_t row, Scratch& s) {
    const uint32_t row_level = table_.LevelOf(row);
    Descend(row, row_level, s);
    for (uint32_t level = row_level + 1; level-- > 0;) {
      SearchLevel(row, level, options_.build_beam, s);
      Link(row, level, s);
    }
  }

  // Leaves in s.found the nearest row found on the levels above `level`.
  void Descend(uint32_t row, uint32_t level, Scratch& s) {
    const uint32_t entry = arrays_.meta.entry_row;
    s.found.assign(1, {entry, kernels_.pair(rows_.Row(row), rows_.Row(entry), rows_.dimension)});
    for (uint32_t l = arrays_.meta.entry_level; l > level; --l) SearchLevel(row, l, 1, s);
  }

  // Algorithm 2: from the rows in s.found to the `beam` nearest, best first, without `row`.
  void SearchLevel(uint32_t row, uint32_t level, size_t beam, Scratch& s) {
    const float* query = rows_.Row(row);
    TopK nearest(beam);
    s.visited.Start(rows_.count);
    s.visited.Insert(row);
    s.frontier.clear();
    for (const ScoredRow& start : s.found) {
      if (!s.visited.Insert(start.row)) continue;
      nearest.Push(start.row, start.score);
      s.frontier.push_back(start);
    }
    std::make_heap(s.frontier.begin(), s.frontier.end(), ComesAfter);
    while (!s.frontier.empty()) {
      const ScoredRow best = s.frontier.front();
      if (nearest.full() && best.score < nearest.threshold()) break;
      std::pop_heap(s.frontier.begin(), s.frontier.end(), ComesAfter);
      s.frontier.pop_back();
      const size_t link_count = table_.Read(best.row, level, s.links.data());
      size_t count = 0;
      for (size_t i = 0; i < link_count; ++i) {
        if (s.visited.Insert(s.links[i])) s.batch[count++] = s.links[i];
      }
      ScoreBatch(query, count, s);
      for (size_t i = 0; i < count; ++i) {
        if (!nearest.Push(s.batch[i], s.scores[i])) continue;
        s.frontier.push_back({s.batch[i], s.scores[i]});
        std::push_heap(s.frontier.begin(), s.frontier.end(), ComesAfter);
      }
    }
    s.found = nearest.Take();
  }

  void ScoreBatch(const float* query, size_t count, Scratch& s) const {
    kernels_.rows(query, rows_.data, rows_.stride, rows_.dimension, s.batch.data(), count,
                  s.scores.data());
  }

  // Links `row` and the best of s.found in both directions.
  void Link(uint32_t row, uint32_t level, Scratch& s) {
    selection_.Select(row, s.found, options_.degree, s.selected);
    {
      const HnswLinkTable::Lock lock(table_, row);
      // Other threads may have met and linked the row on this level already: keep those links too.
      const size_t count = table_.Read(row, level, s.links.data());
      for (size_t i = 0; i < count && s.selected.size() < table_.Capacity(level); ++i) {
        if (std::find(s.selected.begin(), s.selected.end(), s.links[i]) == s.selected.end()) {
          s.selected.push_back(s.links[i]);
        }
      }
      table_.Write(row, level, s.selected);
    }
    for (const uint32_t neighbour : s.selected) LinkBack(neighbour, row, level, s);
  }

  // Adds `added` to the list of `row`; a full list is chosen anew from what it had and the
  // addition.
  void LinkBack(uint32_t row, uint32_t added, uint32_t level, Scratch& s) {
    const HnswLinkTable::Lock lock(table_, row);
    size_t count = table_.Read(row, level, s.links.data());
    if (std::find(s.links.begin(), s.links.begin() + static_cast<ptrdiff_t>(count), added) !=
        s.links.begin() + static_cast<ptrdiff_t>(count)) {
      return;
    }
    if (count < table_.Capacity(level)) {
      table_.WriteOne(row, level, count, added);
      return;
    }
    std::copy_n(s.links.begin(), count, s.batch.begin());
    s.batch[count++] = added;
    ScoreBatch(rows_.Row(row), count, s);
    s.candidates.clear();
    for (size_t i = 0; i < count; ++i) s.candidates.push_back({s.batch[i], s.scores[i]});
    std::sort(s.candidates.begin(), s.candidates.end(), ComesBefore);
    selection_.Select(row, s.candidates, table_.Capacity(level), s.pruned);
    table_.Write(row, level, s.pruned);
  }

  // Pruning may leave a row without a chain of links from the entry. Each such row takes the place
  // of the last link of a near row that is reached, and takes over that link, so that nothing
  // reached before is lost.
  void LinkUnreachedRows() {
    Scratch s = MakeScratch();
    std::vector<bool> reached(rows_.count, false);
    MarkReached(arrays_.meta.entry_row, reached, s);
    for (uint32_t row = 0; row < rows_.count; ++row) {
      if (reached[row] || !rows_.Present(row)) continue;
      Descend(row, 0, s);
      SearchLevel(row, 0, options_.build_beam, s);
      const auto near = std::find_if(s.found.begin(), s.found.end(),
                                     [&](const ScoredRow& found) { return reached[found.row]; });
      LinkInto(near != s.found.end() ? near->row : arrays_.meta.entry_row, row, s);
      MarkReached(row, reached, s);
    }
  }

  void LinkInto(uint32_t reached_row, uint32_t row, Scratch& s) {
    const size_t capacity = table_.Capacity(0);
    const size_t count = table_.Read(reached_row, 0, s.links.data());
    if (count < capacity) {
      table_.WriteOne(reached_row, 0, count, row);
      return;
    }
    const uint32_t displaced = s.links[capacity - 1];
    table_.WriteOne(reached_row, 0, capacity - 1, row);
    const size_t row_count = table_.Read(row, 0, s.links.data());
    const auto end = s.links.begin() + static_cast<ptrdiff_t>(row_count);
    if (std::find(s.links.begin(), end, displaced) != end) return;
    table_.WriteOne(row, 0, std::min(row_count, capacity - 1), displaced);
  }

  void MarkReached(uint32_t first, std::vector<bool>& reached, Scratch& s) const {
    std::vector<uint32_t> open = {first};
    reached[first] = true;
    while (!open.empty()) {
      const uint32_t row = open.back();
      open.pop_back();
      const size_t count = table_.Read(row, 0, s.links.data());
      for (size_t i = 0; i < count; ++i) {
        if (reached[s.links[i]]) continue;
        reached[s.links[i]] = true;
        open.push_back(s.links[i]);
      }
    }
  }

  const DenseRowsView rows_;
  const HnswBuildOptions& options_;
  const DistanceKernels& kernels_;
  const DiverseSelection selection_;
  HnswGraphArrays arrays_;
  HnswLinkTable table_;
  std::atomic<size_t> next_row_{0};
  std::atomic<size_t> done_{0};
  std::atomic<bool> cancelled_{false};
  std::mutex progress_mutex_;
};

Result<> CheckRange(const char* name, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kInvalidArgument, std::string(name) + " is " + std::to_string(value) +
                                               " but has to be within " + std::to_string(low) +
                                               " and " + std::to_string(high));
}

}  // namespace

Result<HnswGraphArrays> BuildHnsw(const DenseRowsView& rows, Metric metric,
                                  const HnswBuildOptions& options) {
  ALMAGEST_TRY_VOID(CheckRange("degree", options.degree, kHnswDegreeMin, kHnswDegreeMax));
  ALMAGEST_TRY_VOID(CheckRange("build_beam", options.build_beam, 1, 4096));
  ALMAGEST_TRY_VOID(CheckRange("thread_count", options.thread_count, 1, 64));
  return GraphBuilder(rows, metric, options).Run();
}

}  // namespace almagest
