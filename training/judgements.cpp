#include "training/judgements.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace almagest::training {

bool JudgedQuery::HasRelevant() const {
  return std::any_of(documents.begin(), documents.end(),
                     [](const JudgedDocument& judged) { return judged.grade > 0; });
}

double JudgedQuery::Weight() const {
  double heaviest = 0;
  for (const JudgedDocument& judged : documents) {
    heaviest = std::max(heaviest, static_cast<double>(judged.weight));
  }
  return std::min(heaviest, 1.0);
}

std::vector<JudgedQuery> GroupJudgements(const JudgementColumns& columns) {
  std::vector<size_t> order(columns.query.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // Stable, so that sums do not depend on the sort's choice among equals.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(columns.query[a], columns.document[a]) <
           std::pair(columns.query[b], columns.document[b]);
  });
  std::vector<JudgedQuery> queries;
  for (size_t at = 0; at < order.size();) {
    const int32_t query = columns.query[order[at]];
    const int32_t document = columns.document[order[at]];
    double weight = 0;
    double graded = 0;
    for (; at < order.size() && columns.query[order[at]] == query &&
           columns.document[order[at]] == document;
         ++at) {
      weight += columns.weight[order[at]];
      graded += double{columns.weight[order[at]]} * columns.grade[order[at]];
    }
    if (queries.empty() || queries.back().query != query) queries.push_back({query, {}});
    queries.back().documents.push_back(
        {document, static_cast<float>(graded / weight), static_cast<float>(weight)});
  }
  std::erase_if(queries, [](const JudgedQuery& query) { return !query.HasRelevant(); });
  return queries;
}

double LargestUserShare(const JudgementColumns& columns) {
  std::map<int32_t, double> per_user;
  double total = 0;
  for (size_t i = 0; i < columns.user.size(); ++i) {
    total += columns.weight[i];
    if (columns.user[i] >= 0) per_user[columns.user[i]] += columns.weight[i];
  }
  double largest = 0;
  for (const auto& [user, weight] : per_user) largest = std::max(largest, weight);
  return total > 0 ? largest / total : 0;
}

}  // namespace almagest::training
