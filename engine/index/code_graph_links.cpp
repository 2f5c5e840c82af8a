#include "engine/index/code_graph_links.h"

#include <algorithm>
#include <cmath>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr size_t kPasses = 2;
// Where links of fewer than one row in so many are known, all are found anew.
constexpr size_t kKnownShareMin = 3;
constexpr size_t kFirstRows = 256;  // Linked among themselves by all their distances.
constexpr size_t kSeeds = 64;
constexpr size_t kBatchRowsMin = 1000;
// A batch is at most this share of the rows, so that few rows miss their neighbours within it.
constexpr size_t kBatchesFirst = 50;
constexpr size_t kBatchesLater = 20;
// Candidates that selection looks at.
constexpr size_t kCandidatesMax = 300;

}  // namespace

CodeLinkBuilder::CodeLinkBuilder(const DenseRowsView& rows, const CodeGraphBuildOptions& options,
                                 CodeNodeWriter& writer, CodeGraphArrays& arrays)
    : rows_(rows),
      options_(options),
      writer_(writer),
      arrays_(arrays),
      euclid_(KernelsFor(Metric::kEuclid).pair),
      links_(size_t{rows.count} * kCodeGraphDegree, 0),
      degree_(rows.count, 0),
      scratch_(options.thread_count) {
  for (uint32_t row = 0; row < rows.count; ++row) {
    if (rows.Present(row)) order_.push_back(row);
  }
  for (size_t i = order_.size(); i > 1; --i) {
    std::swap(order_[i - 1], order_[Mix64(options.seed ^ Mix64(i)) % i]);
  }
  seeds_.assign(order_.begin(),
                order_.begin() + static_cast<ptrdiff_t>(std::min(kSeeds, order_.size())));
}

bool CodeLinkBuilder::Run() {
  writer_.WriteSeeds(seeds_);
  graph_ = arrays_.View();
  const std::optional<size_t> known =
      options_.known.graph != nullptr ? TakeKnownLinks() : std::optional<size_t>(0);
  if (!known) return false;
  for (size_t pass = 0; pass < kPasses; ++pass) {
    if (!RunPass(pass, *known)) return false;
  }
  LinkUnreached();
  return !options_.progress || options_.progress(rows_.count);
}

std::optional<size_t> CodeLinkBuilder::TakeKnownLinks() {
  const std::span<const uint32_t> row_now = options_.known.row_now;
  std::function<bool(size_t)> checkpoint;
  if (options_.progress) checkpoint = [&](size_t) { return options_.progress(0); };
  std::vector<uint8_t> has_links(rows_.count, 0);
  const auto take = [&](size_t i, size_t) {
    const auto row = static_cast<uint32_t>(i);
    if (!options_.known.graph->Present(row)) return;  // Its node has never been written.
    if (row_now[row] >= rows_.count || !rows_.Present(row_now[row])) return;
    has_links[row_now[row]] = TakeLinksOf(row) ? 1 : 0;
  };
  if (!ForEachInParallel(row_now.size(), options_.thread_count, take, checkpoint)) return {};
  const auto end = std::stable_partition(order_.begin(), order_.end(),
                                         [&](uint32_t row) { return has_links[row] != 0; });
  const auto count = static_cast<size_t>(end - order_.begin());
  // Of too few links a walk finds too little; and the first rows are linked all with all.
  if (count < std::max(order_.size() / kKnownShareMin, kFirstRows)) {
    std::ranges::fill(degree_, uint8_t{0});
    return 0;
  }
  const auto write = [&](size_t i, size_t) {
    if (i >= count) degree_[order_[i]] = 0;
    writer_.WriteLinks(order_[i], Links(order_[i]));
  };
  if (!ForEachInParallel(order_.size(), options_.thread_count, write, checkpoint)) return {};
  return count;
}

bool CodeLinkBuilder::TakeLinksOf(uint32_t known_row) {
  const CodeGraph& known = *options_.known.graph;
  const std::span<const uint32_t> row_now = options_.known.row_now;
  const uint32_t row = row_now[known_row];
  // Calls visit(known neighbour) for those that are.
  const auto for_each_link = [&](uint32_t of, const auto& visit) {
    const std::byte* node = known.Node(of);
    const auto* added = reinterpret_cast<const uint16_t*>(node + known.layout().added);
    for (size_t j = 0; j < kCodeGraphDegree; ++j) {
      const uint32_t link = known.Neighbours(node)[j];
      if (link < known.row_count() && std::isfinite(HalfToFloat(added[j]))) visit(link);
    }
  };
  const auto counts = [&](uint32_t now) {
    return now != row && now < rows_.count && rows_.Present(now);
  };
  std::vector<uint32_t> kept;
  std::vector<uint32_t> gone;
  for_each_link(known_row, [&](uint32_t link) {
    if (row_now[link] < rows_.count) {
      if (counts(row_now[link])) kept.push_back(row_now[link]);
    } else {
      gone.push_back(link);
    }
  });
  if (kept.size() > options_.degree) kept.resize(options_.degree);
  if (gone.empty()) {
    std::ranges::copy(kept, List(row));
    degree_[row] = static_cast<uint8_t>(kept.size());
    return !kept.empty();
  }
  if (gone.size() > kept.size()) return false;
  Candidates candidates;
  for (const uint32_t link : kept) candidates.push_back({link, Similarity(row, link)});
  for (const uint32_t bypassed : gone) {
    for_each_link(bypassed, [&](uint32_t link) {
      if (counts(row_now[link])) {
        candidates.push_back({row_now[link], Similarity(row, row_now[link])});
      }
    });
  }
  Select(row, candidates, List(row), degree_[row]);
  return degree_[row] > 0;
}

bool CodeLinkBuilder::RunPass(size_t pass, size_t first_row) {
  const size_t total = order_.size();
  const bool first = pass == 0;
  const uint32_t beam_width =
      first ? std::max<uint32_t>(options_.build_beam / 3, kCodeGraphDegree) : options_.build_beam;
  for (size_t done = first_row; done < total;) {
    size_t size = std::max(total / (first ? kBatchesFirst : kBatchesLater), kBatchRowsMin);
    if (first && done == 0) size = kFirstRows;
    if (first && done > 0) size = std::min(size, done);
    size = std::min(size, total - done);
    if (first && done == 0) {
      LinkFirst(size);
    } else if (!LinkBatch(std::span(order_).subspan(done, size), beam_width, pass * total + done)) {
      return false;
    }
    done += size;
    if (options_.progress && !options_.progress((pass * total + done) / kPasses)) return false;
  }
  return true;
}

void CodeLinkBuilder::LinkFirst(size_t count) {
  const std::span<const uint32_t> rows = std::span(order_).first(count);
  ForEachInParallel(count, options_.thread_count, [&](size_t i, size_t) {
    Candidates candidates;
    for (const uint32_t other : rows) {
      if (other != rows[i]) candidates.push_back({other, Similarity(rows[i], other)});
    }
    Select(rows[i], candidates, List(rows[i]), degree_[rows[i]]);
    writer_.WriteLinks(rows[i], Links(rows[i]));
  });
}

// Every row of the batch searches the graph as it is; then the links are set, and the links back.
bool CodeLinkBuilder::LinkBatch(std::span<const uint32_t> batch, uint32_t beam_width,
                                size_t linked_before) {
  std::vector<uint32_t> chosen(batch.size() * kCodeGraphDegree);
  std::vector<uint8_t> chosen_count(batch.size(), 0);
  std::function<bool(size_t)> checkpoint;
  if (options_.progress) {
    checkpoint = [&](size_t begun) { return options_.progress((linked_before + begun) / kPasses); };
  }
  const auto choose = [&](size_t i, size_t thread) {
    const uint32_t row = batch[i];
    CodeWalkScratch& scratch = scratch_[thread];
    CodeWalk(graph_, rows_.Row(row), writer_.Rotated(row), scratch)
        .Walk(beam_width, nullptr, 0, {}, {});
    Candidates candidates;
    for (const ScoredRow& found : scratch.scored) {
      if (found.row != row) candidates.push_back(found);
    }
    for (const uint32_t link : Links(row)) candidates.push_back({link, Similarity(row, link)});
    Select(row, candidates, chosen.data() + i * kCodeGraphDegree, chosen_count[i]);
  };
  if (!ForEachInParallel(batch.size(), options_.thread_count, choose, checkpoint)) return false;
  std::vector<std::pair<uint32_t, uint32_t>> back;  // (linked, linking)
  for (size_t i = 0; i < batch.size(); ++i) {
    const uint32_t* links = chosen.data() + i * kCodeGraphDegree;
    std::copy_n(links, chosen_count[i], List(batch[i]));
    degree_[batch[i]] = chosen_count[i];
    for (size_t j = 0; j < chosen_count[i]; ++j) back.emplace_back(links[j], batch[i]);
  }
  std::sort(back.begin(), back.end());
  std::vector<size_t> firsts;  // Where another linked row begins.
  for (size_t i = 0; i < back.size(); ++i) {
    if (i == 0 || back[i].first != back[i - 1].first) firsts.push_back(i);
  }
  const size_t linked_count = firsts.size();
  firsts.push_back(back.size());
  ForEachInParallel(linked_count, options_.thread_count, [&](size_t i, size_t) {
    AddBackLinks(back[firsts[i]].first,
                 std::span(back).subspan(firsts[i], firsts[i + 1] - firsts[i]));
  });
  std::vector<uint32_t> changed(batch.begin(), batch.end());
  for (size_t i = 0; i < linked_count; ++i) changed.push_back(back[firsts[i]].first);
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  ForEachInParallel(changed.size(), options_.thread_count,
                    [&](size_t i, size_t) { writer_.WriteLinks(changed[i], Links(changed[i])); });
  return true;
}

// Candidates nearest first; one is left out if a row chosen before is nearer to it than the row
// itself is. What is left out fills the places that remain.
void CodeLinkBuilder::Select(uint32_t row, Candidates& candidates, uint32_t* links,
                             uint8_t& degree) const {
  std::sort(candidates.begin(), candidates.end(), ComesBefore);
  size_t count = 0;
  size_t looked_at = 0;
  uint32_t previous = row;
  std::vector<uint32_t> left_out;
  for (const ScoredRow& candidate : candidates) {
    if (candidate.row == previous || candidate.row == row) continue;
    previous = candidate.row;
    if (count == options_.degree || looked_at++ == kCandidatesMax) break;
    bool chosen = true;
    for (size_t i = 0; i < count && chosen; ++i) {
      chosen = Similarity(candidate.row, links[i]) <= candidate.score;
    }
    // The scores of a row come from half-precision and from float rows: its copies may lie apart.
    if (chosen && std::find(links, links + count, candidate.row) == links + count) {
      links[count++] = candidate.row;
    } else {
      left_out.push_back(candidate.row);
    }
  }
  for (const uint32_t other : left_out) {
    if (count == options_.degree) break;
    if (std::find(links, links + count, other) == links + count) links[count++] = other;
  }
  degree = static_cast<uint8_t>(count);
}

void CodeLinkBuilder::AddBackLinks(uint32_t row,
                                   std::span<const std::pair<uint32_t, uint32_t>> links) {
  uint32_t* list = List(row);
  std::vector<uint32_t> added;
  for (const auto& [linked, linking] : links) {
    if (std::find(list, list + degree_[row], linking) == list + degree_[row]) {
      added.push_back(linking);
    }
  }
  if (degree_[row] + added.size() <= options_.degree) {
    for (const uint32_t other : added) list[degree_[row]++] = other;
    return;
  }
  Candidates candidates;
  for (const uint32_t other : Links(row)) candidates.push_back({other, Similarity(row, other)});
  for (const uint32_t other : added) candidates.push_back({other, Similarity(row, other)});
  Select(row, candidates, list, degree_[row]);
}

// Each row that no chain of links reaches from the seeds takes the place of the last link of a near
// row that is reached, and takes over that link, so that nothing reached before is lost.
void CodeLinkBuilder::LinkUnreached() {
  std::vector<bool> reached(rows_.count, false);
  for (const uint32_t seed : seeds_) {
    if (!reached[seed]) MarkReached(seed, reached);
  }
  CodeWalkScratch& scratch = scratch_[0];
  for (const uint32_t row : order_) {
    if (reached[row]) continue;
    CodeWalk(graph_, rows_.Row(row), writer_.Rotated(row), scratch)
        .Walk(options_.build_beam, nullptr, 0, {}, {});
    uint32_t near = seeds_.front();
    float best = -std::numeric_limits<float>::infinity();
    for (const ScoredRow& found : scratch.scored) {
      if (!reached[found.row] || !(found.score > best)) continue;
      near = found.row;
      best = found.score;
    }
    LinkInto(near, row);
    MarkReached(row, reached);
  }
}

void CodeLinkBuilder::LinkInto(uint32_t reached_row, uint32_t row) {
  uint32_t* list = List(reached_row);
  if (degree_[reached_row] < kCodeGraphDegree) {
    list[degree_[reached_row]++] = row;
  } else {
    const uint32_t displaced = std::exchange(list[kCodeGraphDegree - 1], row);
    uint32_t* own = List(row);
    if (degree_[row] < kCodeGraphDegree) {
      own[degree_[row]++] = displaced;
    } else {
      own[kCodeGraphDegree - 1] = displaced;
    }
  }
  writer_.WriteLinks(reached_row, Links(reached_row));
  writer_.WriteLinks(row, Links(row));
}

void CodeLinkBuilder::MarkReached(uint32_t first, std::vector<bool>& reached) const {
  std::vector<uint32_t> open = {first};
  reached[first] = true;
  while (!open.empty()) {
    const uint32_t row = open.back();
    open.pop_back();
    for (const uint32_t link : Links(row)) {
      if (reached[link]) continue;
      reached[link] = true;
      open.push_back(link);
    }
  }
}

}  // namespace almagest
