#include "training/query_cells.h"

#include <algorithm>
#include <unordered_map>

#include "training/evaluation.h"

namespace almagest::training {
namespace {

// How many known queries each document is relevant to.
std::unordered_map<int32_t, size_t> CountAnswers(std::span<const JudgedQuery> judged,
                                                 const QuerySplit& split) {
  std::unordered_map<int32_t, size_t> queries;
  for (const auto* rows : {&split.train, &split.validation}) {
    for (const size_t row : *rows) {
      for (const JudgedDocument& entry : judged[row].documents) {
        if (entry.grade > 0) ++queries[entry.document];
      }
    }
  }
  return queries;
}

}  // namespace

std::vector<QueryCell> MeasureCells(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                    const QuerySplit& split, std::span<const double> held_active,
                                    std::span<const double> held_trained,
                                    const LinearAdapter& active, const LinearAdapter& trained,
                                    const Tick& tick) {
  std::vector<QueryCell> cells(4);
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i].trained_query = i < 2;
    cells[i].seen_documents = i % 2 == 0;
  }
  const auto answers = CountAnswers(judged, split);
  const auto add = [&](size_t row, bool is_known, double before, double after) {
    const bool seen = std::ranges::any_of(judged[row].documents, [&](const JudgedDocument& entry) {
      const auto found = answers.find(entry.document);
      return entry.grade > 0 && found != answers.end() && found->second > (is_known ? 1 : 0);
    });
    QueryCell& cell = cells[(is_known ? 0 : 2) + (seen ? 0 : 1)];
    cell.active.push_back(before);
    cell.trained.push_back(after);
    cell.group.push_back(split.group[row]);
  };
  std::vector<size_t> known = split.train;
  known.insert(known.end(), split.validation.begin(), split.validation.end());
  std::vector<size_t> rows;
  std::vector<JudgedQuery> sample;
  const size_t stride = (known.size() + kCellQueriesMax - 1) / kCellQueriesMax;
  for (size_t i = 0; i < known.size(); i += stride) {
    rows.push_back(known[i]);
    sample.push_back(judged[known[i]]);
  }
  const auto measure = [&](const LinearAdapter& map) {
    return Column(Evaluate(space, map, map, sample, 10, true, tick), &QueryMetrics::ndcg_at_10);
  };
  const std::vector<double> before = measure(active);
  const std::vector<double> after = measure(trained);
  for (size_t i = 0; i < rows.size(); ++i) add(rows[i], true, before[i], after[i]);
  for (size_t i = 0; i < split.held_out.size(); ++i) {
    add(split.held_out[i], false, held_active[i], held_trained[i]);
  }
  return cells;
}

}  // namespace almagest::training
