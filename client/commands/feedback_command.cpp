#include <cstdio>
#include <fstream>
#include <iostream>

#include "client/commands/commands.h"
#include "client/commands/learning_request.h"
#include "client/commands/query_builder.h"
#include "client/progress_bar.h"

namespace almagest::client {
namespace {

// Collects events and sends them in batches; remembers where a batch began, for errors.
class EventSender {
 public:
  EventSender(Client& client, const FeedbackImportOptions& options, uint64_t total)
      : client_(client), options_(options), progress_("feedback", total, "events") {}

  void Add(Json event, const std::string& place) {
    if (events_.empty()) first_ = place;
    if (!options_.tag.empty() && !event.contains("tag")) event["tag"] = options_.tag;
    last_ = place;
    events_.push_back(std::move(event));
    if (events_.size() >= options_.batch) Send();
  }

  void Finish() {
    if (!events_.empty()) Send();
    progress_.Finish();
  }

 private:
  void Send() {
    try {
      client_.AddFeedback(options_.collection, events_);
    } catch (const ClientError& error) {
      throw ClientError(
          std::string(error.what()) + " (in the batch from " + first_ + " to " + last_ + ")",
          error.status(), error.retry_after());
    }
    sent_ += events_.size();
    events_ = Json::array();
    progress_.Set(sent_);
  }

  Client& client_;
  const FeedbackImportOptions& options_;
  ProgressBar progress_;
  Json events_ = Json::array();
  std::string first_, last_;
  uint64_t sent_ = 0;
};

void SendLines(std::istream& input, Client& client, const FeedbackImportOptions& options) {
  EventSender sender(client, options, 0);
  std::string line;
  for (uint64_t number = 1; std::getline(input, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!event.is_object()) {
      throw ClientError("line " + std::to_string(number) + " is not a JSON object");
    }
    sender.Add(std::move(event), "line " + std::to_string(number));
  }
  sender.Finish();
}

}  // namespace

int RunFeedbackImport(const ServerChoice& server, const FeedbackImportOptions& options) {
  const bool judged = !options.qrels.empty() || !options.queries.empty();
  if (judged == !options.events.empty() || options.qrels.empty() != options.queries.empty()) {
    throw ClientError("give a file of events, or --qrels with --queries");
  }
  Client client = ConnectTo(server);
  if (!judged) {
    if (options.events == "-") {
      SendLines(std::cin, client, options);
      return kExitDone;
    }
    std::ifstream file(options.events);
    if (!file) throw ClientError(options.events + ": cannot be opened");
    SendLines(file, client, options);
    return kExitDone;
  }
  const std::string vector_name =
      OnlyOrChosen(FieldsOf(client.CollectionInfo(options.collection)).dense, options.vector_name,
                   "dense", "--vector");
  const auto queries = ReadJudgedQueries(options.qrels, options.queries, options.model);
  EventSender sender(client, options, queries.size());
  for (const JudgedQuery& query : queries) {
    sender.Add(GradedEvent(query, vector_name), "query " + query.name);
  }
  sender.Finish();
  return kExitDone;
}

}  // namespace almagest::client
