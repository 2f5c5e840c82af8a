// The whole surface. docs/openapi.yaml describes each route; a test compares the two lists.
#include "http/handlers.h"

namespace almagest {
namespace {

using enum RouteAccess;
constexpr RouteBody kJson = RouteBody::kJson;
constexpr RouteBody kUpload = RouteBody::kUpload;
constexpr RouteBody kJsonOrBytes = RouteBody::kJsonOrBytes;

constexpr Route kRoutes[] = {
    {"GET", "/", HandleRoot, kOpen},
    {"GET", "/healthz", HandleHealth, kOpen},
    {"GET", "/livez", HandleHealth, kOpen},
    {"GET", "/readyz", HandleReady, kOpen},
    {"GET", "/dashboard", HandleDashboard, kOpen},
    {"GET", "/dashboard/{file}", HandleDashboardFile, kOpen},
    {"GET", "/metrics", HandleMetrics, kGlobalRead},
    {"GET", "/telemetry", HandleTelemetry, kAny},
    {"GET", "/issues", HandleIssues, kAny},
    {"DELETE", "/issues", HandleClearIssues, kManage},

    {"GET", "/cluster", HandleClusterStatus, kGlobalRead},
    {"POST", "/cluster/recover", HandleChangeCluster, kManage},
    {"DELETE", "/cluster/peer/{peer}", HandleChangeCluster, kManage},
    {"GET", "/collections/{collection}/cluster", HandleCollectionCluster, kRead},
    {"POST", "/collections/{collection}/cluster", HandleChangeCluster, kManage},
    {"GET", "/collections/{collection}/shards", HandleShardKeys, kRead},
    {"PUT", "/collections/{collection}/shards", HandleChangeCluster, kManage},
    {"POST", "/collections/{collection}/shards/delete", HandleChangeCluster, kManage},

    {"GET", "/collections", HandleListCollections, kAny},
    {"GET", "/collections/{collection}", HandleGetCollection, kRead},
    {"PUT", "/collections/{collection}", HandleCreateCollection, kManage},
    {"PATCH", "/collections/{collection}", HandleUpdateCollection, kManage},
    {"DELETE", "/collections/{collection}", HandleDeleteCollection, kManage},
    {"GET", "/collections/{collection}/exists", HandleCollectionExists, kRead},
    {"PUT", "/collections/{collection}/vectors/{vector}", HandleCreateVector, kWriteAll},
    {"DELETE", "/collections/{collection}/vectors/{vector}", HandleDeleteVector, kWriteAll},
    {"PUT", "/collections/{collection}/index", HandleCreateIndex, kWriteAll},
    {"DELETE", "/collections/{collection}/index/{field}", HandleDropIndex, kWriteAll},
    {"POST", "/collections/aliases", HandleChangeAliases, kManage},
    {"GET", "/aliases", HandleListAliases, kAny},
    {"GET", "/collections/{collection}/aliases", HandleCollectionAliases, kRead},

    {"PUT", "/collections/{collection}/points", HandleUpsert, kWrite, kJsonOrBytes},
    {"POST", "/collections/{collection}/points", HandleGetPoints, kRead},
    {"GET", "/collections/{collection}/points/{id}", HandleGetPoint, kRead},
    {"POST", "/collections/{collection}/points/delete", HandleDeletePoints, kWrite},
    {"PUT", "/collections/{collection}/points/vectors", HandleUpdateVectors, kWrite},
    {"POST", "/collections/{collection}/points/vectors/delete", HandleDeleteVectors, kWrite},
    {"POST", "/collections/{collection}/points/payload", HandleSetPayload, kWrite},
    {"PUT", "/collections/{collection}/points/payload", HandleOverwritePayload, kWrite},
    {"POST", "/collections/{collection}/points/payload/delete", HandleDeletePayload, kWrite},
    {"POST", "/collections/{collection}/points/payload/clear", HandleClearPayload, kWrite},
    {"POST", "/collections/{collection}/points/batch", HandleBatch, kWrite},
    {"POST", "/collections/{collection}/points/scroll", HandleScroll, kRead},
    {"POST", "/collections/{collection}/points/count", HandleCount, kRead},
    {"POST", "/collections/{collection}/points/query", HandleQuery, kRead, kJson,
     HandleQueryAtOnce},
    {"POST", "/collections/{collection}/points/query/batch", HandleQueryBatch, kRead, kJsonOrBytes},
    {"POST", "/collections/{collection}/points/search", HandleSearch, kRead, kJson,
     HandleSearchAtOnce},
    {"POST", "/collections/{collection}/points/search/batch", HandleSearchBatch, kRead},
    {"POST", "/collections/{collection}/points/recommend", HandleRecommend, kRead},
    {"POST", "/collections/{collection}/points/recommend/batch", HandleRecommendBatch, kRead},
    {"POST", "/collections/{collection}/points/discover", HandleDiscover, kRead},
    {"POST", "/collections/{collection}/points/discover/batch", HandleDiscoverBatch, kRead},
    {"POST", "/collections/{collection}/points/query/groups", HandleQueryGroups, kRead},
    {"POST", "/collections/{collection}/points/search/groups", HandleSearchGroups, kRead},
    {"POST", "/collections/{collection}/points/recommend/groups", HandleRecommendGroups, kRead},
    {"POST", "/collections/{collection}/facet", HandleFacet, kRead},
    {"POST", "/collections/{collection}/points/search/matrix/pairs", HandleMatrixPairs, kRead},
    {"POST", "/collections/{collection}/points/search/matrix/offsets", HandleMatrixOffsets, kRead},

    {"GET", "/collections/{collection}/snapshots", HandleListSnapshots, kReadAll},
    {"POST", "/collections/{collection}/snapshots", HandleCreateSnapshot, kWriteAll},
    {"GET", "/collections/{collection}/snapshots/{snapshot}", HandleDownloadSnapshot, kReadAll},
    {"DELETE", "/collections/{collection}/snapshots/{snapshot}", HandleDeleteSnapshot, kWriteAll},
    {"PUT", "/collections/{collection}/snapshots/recover", HandleRecoverSnapshot, kManage},
    {"POST", "/collections/{collection}/snapshots/upload", HandleUploadSnapshot, kManage, kUpload},
    {"GET", "/snapshots", HandleListSnapshots, kGlobalRead},
    {"POST", "/snapshots", HandleCreateSnapshot, kManage},
    {"GET", "/snapshots/{snapshot}", HandleDownloadSnapshot, kGlobalRead},
    {"DELETE", "/snapshots/{snapshot}", HandleDeleteSnapshot, kManage},

    {"POST", "/collections/{collection}/feedback", HandleAddFeedback, kWrite},
    {"GET", "/collections/{collection}/feedback", HandleListFeedback, kReadAll},
    {"POST", "/collections/{collection}/feedback/delete", HandleDeleteFeedback, kWriteAll},
    {"POST", "/collections/{collection}/adaptations", HandleStartAdaptation, kManage},
    {"GET", "/collections/{collection}/learning", HandleGetPolicy, kRead},
    {"PUT", "/collections/{collection}/learning", HandleSetPolicy, kManage},
    {"GET", "/jobs", HandleListJobs, kGlobalRead},
    {"GET", "/jobs/{job}", HandleGetJob, kGlobalRead},
    {"DELETE", "/jobs/{job}", HandleCancelJob, kManage},
    {"GET", "/jobs/{job}/events", HandleJobEvents, kGlobalRead},
    {"POST", "/jobs/{job}/cancel", HandleCancelJob, kManage},
    {"POST", "/collections/{collection}/bridges", HandleStartBridge, kManage},
    {"GET", "/collections/{collection}/bridges", HandleListBridges, kRead},
    {"POST", "/collections/{collection}/bridges/{bridge}/activate", HandleActivateBridge, kManage},
    {"POST", "/collections/{collection}/bridges/{bridge}/deactivate", HandleDeactivateBridge,
     kManage},
    {"DELETE", "/collections/{collection}/bridges/{bridge}", HandleDeleteBridge, kManage},
    {"GET", "/collections/{collection}/versions", HandleListVersions, kRead},
    {"POST", "/collections/{collection}/versions", HandleAddVersion, kManage, RouteBody::kBytes},
    {"GET", "/collections/{collection}/versions/{version}", HandleGetVersion, kReadAll},
    {"POST", "/collections/{collection}/versions/{version}/activate", HandleActivateVersion,
     kManage},
    {"POST", "/collections/{collection}/versions/rollback", HandleRollbackVersion, kManage},
    {"GET", "/collections/{collection}/reembedding", HandleGetReembedding, kRead},
    {"POST", "/collections/{collection}/reembedding", HandleSetReembedding, kManage},
    {"POST", "/collections/{collection}/evaluate", HandleEvaluate, kRead},
    {"POST", "/collections/{collection}/evaluate/clicks", HandleEvaluateClicks, kReadAll},
};

}  // namespace

std::span<const Route> Routes() { return kRoutes; }

}  // namespace almagest
