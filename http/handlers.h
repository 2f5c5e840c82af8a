// Every handler, by the file that has it. What each takes and returns is in docs/openapi.yaml; the
// routes are in routes.cpp. All follow the signature `Handler` of router.h.
#pragma once

#include "http/json_writer.h"
#include "http/router.h"
#include "http/service.h"

namespace almagest {

// service_handlers.cpp
Result<Reply> HandleRoot(Service& service, const HttpRequest& request);
Result<Reply> HandleHealth(Service& service, const HttpRequest& request);
Result<Reply> HandleReady(Service& service, const HttpRequest& request);
Result<Reply> HandleMetrics(Service& service, const HttpRequest& request);

// dashboard_handlers.cpp
Result<Reply> HandleDashboard(Service& service, const HttpRequest& request);
Result<Reply> HandleDashboardFile(Service& service, const HttpRequest& request);

// telemetry_handlers.cpp
Result<Reply> HandleTelemetry(Service& service, const HttpRequest& request);
Result<Reply> HandleIssues(Service& service, const HttpRequest& request);
Result<Reply> HandleClearIssues(Service& service, const HttpRequest& request);

// cluster_handlers.cpp
Result<Reply> HandleClusterStatus(Service& service, const HttpRequest& request);
Result<Reply> HandleCollectionCluster(Service& service, const HttpRequest& request);
Result<Reply> HandleShardKeys(Service& service, const HttpRequest& request);
Result<Reply> HandleChangeCluster(Service& service, const HttpRequest& request);  // 405.

// snapshot_handlers.cpp: of the path's collection, or of the whole store where it names none.
Result<Reply> HandleListSnapshots(Service& service, const HttpRequest& request);
Result<Reply> HandleCreateSnapshot(Service& service, const HttpRequest& request);
Result<Reply> HandleDownloadSnapshot(Service& service, const HttpRequest& request);
Result<Reply> HandleDeleteSnapshot(Service& service, const HttpRequest& request);
Result<Reply> HandleRecoverSnapshot(Service& service, const HttpRequest& request);
Result<Reply> HandleUploadSnapshot(Service& service, const HttpRequest& request);

// collection_handlers.cpp
Result<Reply> HandleListCollections(Service& service, const HttpRequest& request);
Result<Reply> HandleGetCollection(Service& service, const HttpRequest& request);
Result<Reply> HandleCreateCollection(Service& service, const HttpRequest& request);
Result<Reply> HandleUpdateCollection(Service& service, const HttpRequest& request);
Result<Reply> HandleDeleteCollection(Service& service, const HttpRequest& request);
Result<Reply> HandleCollectionExists(Service& service, const HttpRequest& request);
Result<Reply> HandleCreateVector(Service& service, const HttpRequest& request);
Result<Reply> HandleDeleteVector(Service& service, const HttpRequest& request);
Result<Reply> HandleCreateIndex(Service& service, const HttpRequest& request);
Result<Reply> HandleDropIndex(Service& service, const HttpRequest& request);

// alias_handlers.cpp
Result<Reply> HandleChangeAliases(Service& service, const HttpRequest& request);
Result<Reply> HandleListAliases(Service& service, const HttpRequest& request);
Result<Reply> HandleCollectionAliases(Service& service, const HttpRequest& request);

// point_handlers.cpp: writes.
Result<Reply> HandleUpsert(Service& service, const HttpRequest& request);
Result<Reply> HandleDeletePoints(Service& service, const HttpRequest& request);
Result<Reply> HandleUpdateVectors(Service& service, const HttpRequest& request);
Result<Reply> HandleDeleteVectors(Service& service, const HttpRequest& request);
Result<Reply> HandleSetPayload(Service& service, const HttpRequest& request);
Result<Reply> HandleOverwritePayload(Service& service, const HttpRequest& request);
Result<Reply> HandleDeletePayload(Service& service, const HttpRequest& request);
Result<Reply> HandleClearPayload(Service& service, const HttpRequest& request);
Result<Reply> HandleBatch(Service& service, const HttpRequest& request);

// search_handlers.cpp: reads.
Result<Reply> HandleGetPoint(Service& service, const HttpRequest& request);
Result<Reply> HandleGetPoints(Service& service, const HttpRequest& request);
Result<Reply> HandleScroll(Service& service, const HttpRequest& request);
Result<Reply> HandleCount(Service& service, const HttpRequest& request);
Result<Reply> HandleQuery(Service& service, const HttpRequest& request);
std::optional<Reply> HandleQueryAtOnce(Service& service, const HttpRequest& request);
Result<Reply> HandleQueryBatch(Service& service, const HttpRequest& request);
Result<Reply> HandleSearch(Service& service, const HttpRequest& request);
std::optional<Reply> HandleSearchAtOnce(Service& service, const HttpRequest& request);
Result<Reply> HandleSearchBatch(Service& service, const HttpRequest& request);
Result<Reply> HandleRecommend(Service& service, const HttpRequest& request);
Result<Reply> HandleRecommendBatch(Service& service, const HttpRequest& request);
Result<Reply> HandleDiscover(Service& service, const HttpRequest& request);
Result<Reply> HandleDiscoverBatch(Service& service, const HttpRequest& request);

// summary_handlers.cpp
Result<Reply> HandleQueryGroups(Service& service, const HttpRequest& request);
Result<Reply> HandleSearchGroups(Service& service, const HttpRequest& request);
Result<Reply> HandleRecommendGroups(Service& service, const HttpRequest& request);
Result<Reply> HandleFacet(Service& service, const HttpRequest& request);
Result<Reply> HandleMatrixPairs(Service& service, const HttpRequest& request);
Result<Reply> HandleMatrixOffsets(Service& service, const HttpRequest& request);

// feedback_handlers.cpp
Result<Reply> HandleAddFeedback(Service& service, const HttpRequest& request);
Result<Reply> HandleListFeedback(Service& service, const HttpRequest& request);
Result<Reply> HandleDeleteFeedback(Service& service, const HttpRequest& request);

// job_handlers.cpp
Result<Reply> HandleStartAdaptation(Service& service, const HttpRequest& request);
Result<Reply> HandleListJobs(Service& service, const HttpRequest& request);
Result<Reply> HandleGetJob(Service& service, const HttpRequest& request);
Result<Reply> HandleJobEvents(Service& service, const HttpRequest& request);
Result<Reply> HandleCancelJob(Service& service, const HttpRequest& request);

// Lists leave the report out: it is kilobytes per job.
enum class JobDetail { kSummary, kReport };
void WriteJob(JsonWriter& json, const Job& job, JobDetail detail = JobDetail::kReport);

// bridge_handlers.cpp
Result<Reply> HandleStartBridge(Service& service, const HttpRequest& request);
Result<Reply> HandleListBridges(Service& service, const HttpRequest& request);
Result<Reply> HandleActivateBridge(Service& service, const HttpRequest& request);
Result<Reply> HandleDeactivateBridge(Service& service, const HttpRequest& request);
Result<Reply> HandleDeleteBridge(Service& service, const HttpRequest& request);

// version_handlers.cpp
Result<Reply> HandleListVersions(Service& service, const HttpRequest& request);
Result<Reply> HandleGetVersion(Service& service, const HttpRequest& request);
Result<Reply> HandleAddVersion(Service& service, const HttpRequest& request);
Result<Reply> HandleActivateVersion(Service& service, const HttpRequest& request);
Result<Reply> HandleRollbackVersion(Service& service, const HttpRequest& request);
Result<Reply> HandleGetPolicy(Service& service, const HttpRequest& request);
Result<Reply> HandleSetPolicy(Service& service, const HttpRequest& request);
Result<Reply> HandleGetReembedding(Service& service, const HttpRequest& request);
Result<Reply> HandleSetReembedding(Service& service, const HttpRequest& request);

// evaluate_handler.cpp
Result<Reply> HandleEvaluate(Service& service, const HttpRequest& request);

// click_evaluation_handler.cpp
Result<Reply> HandleEvaluateClicks(Service& service, const HttpRequest& request);

}  // namespace almagest
