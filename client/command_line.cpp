#include "client/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>

#include "client/commands/commands.h"

namespace almagest::client {
namespace {

using Command = std::function<int(const ServerChoice&)>;

// Adds a subcommand whose options live in a shared struct; `chosen` becomes what it runs.
template <class Options>
CLI::App* Add(CLI::App& parent, Command& chosen, const std::string& name,
              const std::string& description, std::shared_ptr<Options> options,
              int (*run)(const ServerChoice&, const Options&)) {
  CLI::App* app = parent.add_subcommand(name, description);
  app->fallthrough();
  app->callback([&chosen, options, run] {
    chosen = [options, run](const ServerChoice& server) { return run(server, *options); };
  });
  return app;
}

CLI::Option* AddCollection(CLI::App* app, std::string& collection) {
  return app->add_option("collection", collection, "Name of the collection")->required();
}

int DropNamed(const ServerChoice& server, const std::string& name) {
  return RunCollectionsDrop(server, name);
}

void AddCollections(CLI::App& root, Command& chosen) {
  CLI::App* group = root.add_subcommand("collections", "List, create, show or drop collections");
  group->require_subcommand(1)->fallthrough();
  CLI::App* list = group->add_subcommand("list", "Names, sizes and states");
  list->fallthrough()->callback([&chosen] { chosen = RunCollectionsList; });
  const auto create = std::make_shared<CreateOptions>();
  CLI::App* app =
      Add<CreateOptions>(*group, chosen, "create", "Create one", create, RunCollectionsCreate);
  AddCollection(app, create->collection);
  auto* config = app->add_option("--config", create->config, "Whole configuration as JSON");
  app->add_option("--dim", create->dimension, "Dimension of the dense vector")->excludes(config);
  app->add_option("--distance", create->distance, "Cosine, Dot, Euclid or Manhattan")
      ->check(CLI::IsMember({"Cosine", "Dot", "Euclid", "Manhattan"}))
      ->capture_default_str();
  app->add_option("--vector", create->vector_name, "Name of the dense vector (default: unnamed)");
  app->add_option("--sparse", create->sparse_name, "Also a sparse vector of this name, with IDF");
  const auto shown = std::make_shared<std::string>();
  AddCollection(Add<std::string>(*group, chosen, "show", "Configuration and counts", shown,
                                 RunCollectionsShow),
                *shown);
  const auto dropped = std::make_shared<std::string>();
  AddCollection(
      Add<std::string>(*group, chosen, "drop", "Delete with all its points", dropped, DropNamed),
      *dropped);
}

void AddTransfer(CLI::App& root, Command& chosen) {
  const auto import = std::make_shared<ImportOptions>();
  CLI::App* app = Add<ImportOptions>(root, chosen, "import",
                                     "Upsert points from JSONL, or vectors from .npy or .fvecs",
                                     import, RunImport);
  AddCollection(app, import->collection);
  app->add_option("file", import->file, "JSONL of points (- for standard input), .npy or .fvecs")
      ->required();
  app->add_option("--payloads", import->payloads, "JSONL of payloads, one line for each vector");
  app->add_option("--vector", import->vector_name, "Name of the vector that a vector file fills");
  app->add_option("--first-id", import->first_id, "Id of the first row of a vector file")
      ->capture_default_str();
  app->add_option("--batch", import->batch, "Points in a request")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("--connections", import->connections, "Requests at the same time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  const auto exported = std::make_shared<ExportOptions>();
  app =
      Add<ExportOptions>(root, chosen, "export", "Write all points as JSONL", exported, RunExport);
  AddCollection(app, exported->collection);
  app->add_option("file", exported->file, "JSONL file (- for standard output)")->required();
  app->add_option("--npy", exported->npy, "Write one vector of each point to this .npy instead");
  app->add_option("--vector", exported->vector_name, "Which vector goes to the .npy");
  app->add_option("--filter", exported->filter, "Only points that match (JSON)");
  app->add_option("--batch", exported->batch, "Points in a request")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
}

void AddSearch(CLI::App& root, Command& chosen) {
  const auto options = std::make_shared<SearchOptions>();
  CLI::App* app = Add<SearchOptions>(root, chosen, "search", "Search by text, vector or point",
                                     options, RunSearch);
  AddCollection(app, options->collection);
  app->add_option("--text", options->text, "Text, which the server embeds");
  app->add_option("--vector", options->vector, "Query vector as JSON");
  app->add_option("--id", options->id, "Like this point (number or UUID)");
  app->add_option("--using", options->using_vector, "Which vector of the points to search");
  app->add_option("--model", options->model, "Model of the text (default: use-lite or BM25)");
  app->add_option("--filter", options->filter, "Only points that match (JSON)");
  app->add_option("--adapter-version", options->adapter_version,
                  "Search by this version of the dense vector (0: its base), not the active one");
  app->add_flag("--hybrid", options->hybrid, "Dense and sparse search, fused by rank");
  app->add_option("--limit", options->limit, "Number of results")->capture_default_str();
  app->add_flag("--json", options->json, "Print the points as JSON");
}

void AddLearning(CLI::App& root, Command& chosen) {
  CLI::App* group = root.add_subcommand("feedback", "What users did with results");
  group->require_subcommand(1)->fallthrough();
  const auto feedback = std::make_shared<FeedbackImportOptions>();
  CLI::App* app = Add<FeedbackImportOptions>(*group, chosen, "import",
                                             "Events from JSONL, or judgements (qrels)", feedback,
                                             RunFeedbackImport);
  AddCollection(app, feedback->collection);
  app->add_option("events", feedback->events, "JSONL of events (- for standard input)");
  app->add_option("--qrels", feedback->qrels, "TREC or BEIR judgements");
  app->add_option("--queries", feedback->queries, "JSONL of their queries");
  app->add_option("--vector", feedback->vector_name, "The dense vector they belong to");
  app->add_option("--model", feedback->model, "Model of query texts")->capture_default_str();
  app->add_option("--tag", feedback->tag, "Tag of events that have none: a tenant, a language");
  app->add_option("--batch", feedback->batch, "Events in a request")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();

  const auto adapt = std::make_shared<AdaptOptions>();
  app =
      Add<AdaptOptions>(root, chosen, "adapt", "Learn from feedback and watch it", adapt, RunAdapt);
  AddCollection(app, adapt->collection);
  app->add_option("--vector", adapt->vector_name, "The dense vector to adapt");
  app->add_option("--objective", adapt->objective, "What to train")->capture_default_str();
  app->add_option("--options", adapt->trainer_options, "Trainer options as JSON");
  auto* trusted = app->add_option("--trusted", adapt->trusted,
                                  "TREC or BEIR judgements that the version may not answer worse");
  auto* queries =
      app->add_option("--trusted-queries", adapt->trusted_queries, "JSONL of their queries");
  trusted->needs(queries);
  queries->needs(trusted);
  app->add_option("--model", adapt->model, "Model of their texts")
      ->needs(trusted)
      ->capture_default_str();
  app->add_option("--seed", adapt->seed, "Seed of the training")->capture_default_str();
  app->add_option("--tag", adapt->tag,
                  "Learn from the feedback of this tag only; a candidate unless --activate");
  app->add_flag("--activate,!--no-activate", adapt->activate,
                "Activate a passing version, or keep it as a candidate");

  const auto evaluate = std::make_shared<EvaluateOptions>();
  app = Add<EvaluateOptions>(root, chosen, "evaluate", "nDCG, recall and MRR on judgements",
                             evaluate, RunEvaluate);
  AddCollection(app, evaluate->collection);
  app->add_option("--qrels", evaluate->qrels, "TREC or BEIR judgements")->required();
  app->add_option("--queries", evaluate->queries, "JSONL of their queries")->required();
  app->add_option("--vector", evaluate->vector_name, "The dense vector to search");
  app->add_option("--sparse", evaluate->sparse_name, "Also sparse and hybrid search with this");
  app->add_option("--model", evaluate->model, "Model of query texts")->capture_default_str();
  app->add_option("--versions", evaluate->versions, "Adapter versions to compare");
  app->add_option("-k", evaluate->k, "Cut-off")->check(CLI::Range(1, 1000))->capture_default_str();
  app->add_flag("--json", evaluate->json, "Print the report as JSON");
}

void AddVersions(CLI::App& root, Command& chosen) {
  CLI::App* group =
      root.add_subcommand("versions", "Adapter versions: list, show, add, activate, rollback");
  group->require_subcommand(1)->fallthrough();
  const auto choice = std::make_shared<VersionChoice>();
  const auto add = [&](const char* name, const char* description,
                       int (*run)(const ServerChoice&, const VersionChoice&)) {
    CLI::App* app = Add<VersionChoice>(*group, chosen, name, description, choice, run);
    AddCollection(app, choice->collection);
    app->add_option("--vector", choice->vector_name, "The dense vector that they adapt");
    return app;
  };
  add("list", "Versions and their compatibility matrices", RunVersions);
  CLI::App* shown =
      add("show", "One version: the gate's conditions, queries won and lost", RunShowVersion);
  shown->add_option("version", choice->version, "Its number")->required();
  CLI::App* added = add("add", "Add an adapter that was trained elsewhere", RunAddVersion);
  added->add_option("file", choice->file, "The adapter (safetensors, docs/job-folder.md)")
      ->required();
  CLI::App* activate = add("activate", "Serve by a version, at once", RunActivate);
  activate->add_option("version", choice->version, "Its number")->required();
  activate->add_flag("--force", choice->force, "Even if the gate rejected it");
  add("rollback", "Back to the version that was active before", RunRollBack);
}

void AddDemo(CLI::App& root, Command& chosen) {
  const auto options = std::make_shared<DemoOptions>();
  CLI::App* app = Add<DemoOptions>(root, chosen, "demo",
                                   "The reverse dictionary, start to finish (see ./dev demo)",
                                   options, RunDemo);
  app->add_option("--wordnet", options->wordnet, "Folder with WordNet's data.noun and others")
      ->required();
  app->add_option("--gcide", options->gcide, "Folder with gcide.dict.dz and gcide.index")
      ->required();
  app->add_option("--report", options->report, "Write the figures to this JSON file");
  app->add_option("--size", options->size, "Number of documents")
      ->check(CLI::Range(400, 117'659))
      ->capture_default_str();
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  CLI::App root("almagest: the command line of the Almagest vector database");
  root.require_subcommand(1);
  root.footer(
      "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 no server answered,\n"
      "4 an adaptation ended without a version that may be activated.");
  ServerChoice server;
  server.url = ClientOptions().url;
  root.add_option("--url", server.url, "The server")
      ->envname("ALMAGEST_URL")
      ->capture_default_str();
  root.add_option("--api-key", server.api_key, "Its key")->envname("ALMAGEST_API_KEY");
  Command chosen;
  AddCollections(root, chosen);
  AddTransfer(root, chosen);
  AddSearch(root, chosen);
  AddLearning(root, chosen);
  AddVersions(root, chosen);
  root.add_subcommand("status", "Is the server up, and what does it hold")
      ->fallthrough()
      ->callback([&chosen] { chosen = RunStatus; });
  AddDemo(root, chosen);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return root.exit(error);  // --help
    std::fprintf(stderr, "almagest: %s (almagest --help lists what there is)\n", error.what());
    return kExitUsage;
  }
  try {
    return chosen(server);
  } catch (const ClientError& error) {
    std::fprintf(stderr, "almagest: %s\n", error.what());
    return error.unreachable() ? kExitUnreachable : kExitFailed;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "almagest: the server's answer is not understood: %s\n", error.what());
    return kExitFailed;
  }
}

}  // namespace almagest::client
