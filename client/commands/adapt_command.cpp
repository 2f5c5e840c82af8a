#include <cstdio>

#include "client/commands/commands.h"
#include "client/commands/job_display.h"
#include "client/commands/learning_request.h"
#include "client/commands/query_builder.h"

namespace almagest::client {

int RunAdapt(const ServerChoice& server, const AdaptOptions& options) {
  Client client = ConnectTo(server);
  Json request = {{"objective", options.objective}, {"seed", options.seed}};
  if (options.activate) request["activate"] = *options.activate;
  if (!options.tag.empty()) request["feedback"] = {{"tag", options.tag}};
  const std::string vector_name =
      OnlyOrChosen(FieldsOf(client.CollectionInfo(options.collection)).dense, options.vector_name,
                   "dense", "--vector");
  if (!vector_name.empty()) request["using"] = vector_name;
  if (!options.trainer_options.empty()) {
    request["options"] = ParseOption(options.trainer_options, "--options");
  }
  if (!options.trusted.empty()) {
    request["trusted"] = TrustedJudgements(
        ReadJudgedQueries(options.trusted, options.trusted_queries, options.model), vector_name,
        options.model);
  }
  const std::string job_id = client.StartAdaptation(options.collection, request);
  std::printf("job %s\n", job_id.c_str());
  std::fflush(stdout);
  JobDisplay display(job_id);
  const Json job = client.FollowJob(job_id, [&](const Json& event) {
    display.Show(event);
    return true;
  });
  display.Finish(job);
  std::printf("%s\n", OutcomeText(job).c_str());
  const std::string state = job.value("state", "");
  if (state == "succeeded") return kExitDone;
  return state == "rejected" || state == "skipped" ? kExitGateSaidNo : kExitFailed;
}

}  // namespace almagest::client
