#include "client/demo/load_generator.h"

#include <gtest/gtest.h>

#include "tests/client/scripted_server.h"

namespace almagest::client {
namespace {

TEST(LoadGenerator, CountsFailedAndEmptyAnswers) {
  ScriptedServer server;
  const std::string hit = R"({"result":{"points":[{"id":1,"score":1}]},"status":"ok"})";
  const std::string none = R"({"result":{"points":[]},"status":"ok"})";
  server.Script({ScriptedServer::Ok(hit)});
  server.Script({ScriptedServer::Ok(none)});
  server.Script({ScriptedServer::WithStatus(503, R"({"status":{"error":"busy"}})")});
  for (int i = 0; i < 200; ++i) server.Script({ScriptedServer::Ok(hit)});
  LoadGenerator load({.url = server.Url(), .retries = 5}, "c", {Json{{"limit", 1}}},
                     std::chrono::milliseconds(5));
  while (load.counts().sent < 10) std::this_thread::yield();
  load.SetPause(std::chrono::milliseconds(50));
  const LoadCounts counts = load.Stop();
  EXPECT_GE(counts.sent, 10u);
  EXPECT_EQ(counts.failed, 1u);
  EXPECT_EQ(counts.empty, 1u);
  EXPECT_EQ(load.first_failure(), "busy");
  EXPECT_EQ(server.requests().size(), counts.sent) << "failures are not repeated";
}

}  // namespace
}  // namespace almagest::client
