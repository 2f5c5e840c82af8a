// The whole surface. docs/openapi.yaml describes each route; a test compares the two lists.
#include "http/handlers.h"

namespace almagest {
namespace {

constexpr bool kOpen = true;  // Needs no api key.

constexpr Route kRoutes[] = {
    {"GET", "/", HandleRoot, kOpen},
    {"GET", "/healthz", HandleHealth, kOpen},
    {"GET", "/livez", HandleHealth, kOpen},
    {"GET", "/readyz", HandleReady, kOpen},
    {"GET", "/metrics", HandleMetrics},

    {"GET", "/collections", HandleListCollections},
    {"GET", "/collections/{collection}", HandleGetCollection},
    {"PUT", "/collections/{collection}", HandleCreateCollection},
    {"PATCH", "/collections/{collection}", HandleUpdateCollection},
    {"DELETE", "/collections/{collection}", HandleDeleteCollection},
    {"GET", "/collections/{collection}/exists", HandleCollectionExists},
    {"PUT", "/collections/{collection}/vectors/{vector}", HandleCreateVector},
    {"DELETE", "/collections/{collection}/vectors/{vector}", HandleDeleteVector},
    {"PUT", "/collections/{collection}/index", HandleCreateIndex},
    {"DELETE", "/collections/{collection}/index/{field}", HandleDropIndex},
    {"POST", "/collections/aliases", HandleChangeAliases},
    {"GET", "/aliases", HandleListAliases},
    {"GET", "/collections/{collection}/aliases", HandleCollectionAliases},

    {"PUT", "/collections/{collection}/points", HandleUpsert},
    {"POST", "/collections/{collection}/points", HandleGetPoints},
    {"GET", "/collections/{collection}/points/{id}", HandleGetPoint},
    {"POST", "/collections/{collection}/points/delete", HandleDeletePoints},
    {"PUT", "/collections/{collection}/points/vectors", HandleUpdateVectors},
    {"POST", "/collections/{collection}/points/vectors/delete", HandleDeleteVectors},
    {"POST", "/collections/{collection}/points/payload", HandleSetPayload},
    {"PUT", "/collections/{collection}/points/payload", HandleOverwritePayload},
    {"POST", "/collections/{collection}/points/payload/delete", HandleDeletePayload},
    {"POST", "/collections/{collection}/points/payload/clear", HandleClearPayload},
    {"POST", "/collections/{collection}/points/batch", HandleBatch},
    {"POST", "/collections/{collection}/points/scroll", HandleScroll},
    {"POST", "/collections/{collection}/points/count", HandleCount},
    {"POST", "/collections/{collection}/points/query", HandleQuery},
    {"POST", "/collections/{collection}/points/query/batch", HandleQueryBatch},
    {"POST", "/collections/{collection}/points/search", HandleSearch},
    {"POST", "/collections/{collection}/points/search/batch", HandleSearchBatch},
    {"POST", "/collections/{collection}/points/recommend", HandleRecommend},
    {"POST", "/collections/{collection}/points/recommend/batch", HandleRecommendBatch},
    {"POST", "/collections/{collection}/points/discover", HandleDiscover},
    {"POST", "/collections/{collection}/points/discover/batch", HandleDiscoverBatch},
    {"POST", "/collections/{collection}/points/query/groups", HandleQueryGroups},
    {"POST", "/collections/{collection}/points/search/groups", HandleSearchGroups},
    {"POST", "/collections/{collection}/points/recommend/groups", HandleRecommendGroups},
    {"POST", "/collections/{collection}/facet", HandleFacet},
    {"POST", "/collections/{collection}/points/search/matrix/pairs", HandleMatrixPairs},
    {"POST", "/collections/{collection}/points/search/matrix/offsets", HandleMatrixOffsets},

    {"POST", "/collections/{collection}/feedback", HandleAddFeedback},
    {"GET", "/collections/{collection}/feedback", HandleListFeedback},
    {"POST", "/collections/{collection}/feedback/delete", HandleDeleteFeedback},
    {"POST", "/collections/{collection}/adaptations", HandleStartAdaptation},
    {"GET", "/jobs", HandleListJobs},
    {"GET", "/jobs/{job}", HandleGetJob},
    {"DELETE", "/jobs/{job}", HandleCancelJob},
    {"GET", "/jobs/{job}/events", HandleJobEvents},
    {"POST", "/jobs/{job}/cancel", HandleCancelJob},
    {"GET", "/collections/{collection}/versions", HandleListVersions},
    {"POST", "/collections/{collection}/versions/{version}/activate", HandleActivateVersion},
    {"POST", "/collections/{collection}/versions/rollback", HandleRollbackVersion},
    {"GET", "/collections/{collection}/reembedding", HandleGetReembedding},
    {"POST", "/collections/{collection}/reembedding", HandleSetReembedding},
    {"POST", "/collections/{collection}/evaluate", HandleEvaluate},
};

}  // namespace

std::span<const Route> Routes() { return kRoutes; }

}  // namespace almagest
