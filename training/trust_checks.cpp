#include "training/trust_checks.h"

#include <algorithm>
#include <map>
#include <set>

#include "training/evaluation.h"
#include "training/recipe_training.h"

namespace almagest::training {
namespace {

constexpr int64_t kShown = 10;

struct TopUser {
  int32_t user = -1;
  double share = 0;
  size_t users = 0;
};

TopUser FindTopUser(const JudgementColumns& columns) {
  std::map<int32_t, double> weight_of;
  double total = 0;
  for (size_t i = 0; i < columns.user.size(); ++i) {
    total += columns.weight[i];
    if (columns.user[i] >= 0) weight_of[columns.user[i]] += columns.weight[i];
  }
  TopUser top;
  top.users = weight_of.size();
  for (const auto& [user, weight] : weight_of) {
    if (weight <= top.share * total) continue;
    top.user = user;
    top.share = weight / total;
  }
  return top;
}

// What all others judged.
std::vector<JudgedQuery> GroupWithout(const JudgementColumns& columns, int32_t user) {
  std::vector<int32_t> query, document, users;
  std::vector<float> grade, weight;
  for (size_t i = 0; i < columns.user.size(); ++i) {
    if (columns.user[i] == user) continue;
    query.push_back(columns.query[i]);
    document.push_back(columns.document[i]);
    grade.push_back(columns.grade[i]);
    weight.push_back(columns.weight[i]);
    users.push_back(columns.user[i]);
  }
  return GroupJudgements({query, document, grade, weight, users});
}

}  // namespace

NewlyShown FindNewlyShown(const VectorSpace& space, const LinearAdapter& trained,
                          const LinearAdapter& identity, const LinearAdapter& whitened,
                          std::span<const JudgedQuery> held_out, const Tick& tick) {
  NewlyShown worst;
  worst.of_queries = held_out.size();
  std::vector<int32_t> rows;
  for (const JudgedQuery& query : held_out) rows.push_back(query.query);
  if (rows.empty()) return worst;
  const Ranking after = space.Search(trained, trained, rows, kShown, true, tick);
  const Ranking before = space.Search(identity, identity, rows, kShown, true, tick);
  const Ranking white = space.Search(whitened, whitened, rows, kShown, true, tick);
  std::map<int32_t, size_t> newly;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const int32_t document : after.Of(i)) {
      const bool known = std::ranges::count(before.Of(i), document) > 0 ||
                         std::ranges::count(white.Of(i), document) > 0;
      if (!known) ++newly[document];
    }
  }
  for (const auto& [document, queries] : newly) {
    if (queries <= worst.queries) continue;
    worst.document = document;
    worst.queries = queries;
  }
  return worst;
}

Result<std::optional<WithoutTopUser>> TrainWithoutTopUser(
    const VectorSpace& space, const JudgementColumns& columns, std::span<const JudgedQuery> judged,
    const QuerySplit& split, const Selection& selection, const LinearAdapter& active,
    const JobConfig& config, Progress* progress) {
  const TopUser top = FindTopUser(columns);
  if (top.users < kUsersMin || top.share <= config.gate.leave_out_user_share ||
      !selection.recipe.Learns()) {
    return std::nullopt;
  }
  std::set<int32_t> train_rows;
  std::map<int32_t, int32_t> held_out_group;  // Of each held-out query row.
  for (const auto* part : {&split.train, &split.validation}) {
    for (const size_t i : *part) train_rows.insert(judged[i].query);
  }
  for (const size_t i : split.held_out) held_out_group[judged[i].query] = split.group[i];
  std::vector<JudgedQuery> train, held_out;
  WithoutTopUser result;
  result.share = top.share;
  for (JudgedQuery& query : GroupWithout(columns, top.user)) {
    if (train_rows.contains(query.query)) {
      train.push_back(std::move(query));
    } else if (const auto found = held_out_group.find(query.query); found != held_out_group.end()) {
      result.group.push_back(found->second);
      held_out.push_back(std::move(query));
    }
  }
  if (train.empty() || held_out.empty()) return result;  // No gain without that user.
  progress->Phase("training");
  ALMAGEST_TRY(const LinearAdapter adapter,
               TrainRecipe(space, train, selection.recipe, config, 1, progress));
  const auto quality = [&](const LinearAdapter& map) {
    return Column(Evaluate(space, map, map, held_out, 10, true, progress->MakeTick()),
                  &QueryMetrics::ndcg_at_10);
  };
  result.trained = quality(adapter);
  result.active = quality(active);
  return result;
}

}  // namespace almagest::training
