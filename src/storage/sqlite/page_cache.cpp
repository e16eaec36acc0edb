#include "storage/sqlite/page_cache.h"

#include <sqlite3.h>

#include <memory>

namespace adyton::storage::sqlite {
namespace {

// The calls for one cache carry nothing that belongs to us but the cache.
sqlite3_pcache_methods2& base() {
    static sqlite3_pcache_methods2 methods{};
    return methods;
}

// What SQLite takes for its cache. Used by one thread at a time, as its connection is.
struct Cache {
    sqlite3_pcache* below;
    PageNumbers numbers;
};

Cache& cache_of(sqlite3_pcache* cache) {
    return *reinterpret_cast<Cache*>(cache);
}

int init(void* /*unused*/) {
    return base().xInit(base().pArg);
}
void shut_down(void* /*unused*/) {
    base().xShutdown(base().pArg);
}

sqlite3_pcache* create(int page_bytes, int extra_bytes, int purgeable) {
    sqlite3_pcache* const below = base().xCreate(page_bytes, extra_bytes, purgeable);
    if (below == nullptr) return nullptr;
    return reinterpret_cast<sqlite3_pcache*>(new Cache{below, {}});
}

void destroy(sqlite3_pcache* cache) {
    const std::unique_ptr<Cache> owned(&cache_of(cache));
    base().xDestroy(owned->below);
}

void set_size(sqlite3_pcache* cache, int pages) {
    base().xCachesize(cache_of(cache).below, pages);
}
int page_count(sqlite3_pcache* cache) {
    return base().xPagecount(cache_of(cache).below);
}
void shrink(sqlite3_pcache* cache) {
    base().xShrink(cache_of(cache).below);
}

sqlite3_pcache_page* fetch(sqlite3_pcache* cache, unsigned number, int create_flag) {
    Cache& own = cache_of(cache);
    if (create_flag != 0) own.numbers.create(number);
    return base().xFetch(own.below, number, create_flag);
}

void unpin(sqlite3_pcache* cache, sqlite3_pcache_page* page, int discard) {
    base().xUnpin(cache_of(cache).below, page, discard);
}

void rekey(sqlite3_pcache* cache, sqlite3_pcache_page* page, unsigned before, unsigned after) {
    Cache& own = cache_of(cache);
    base().xRekey(own.below, page, before, after);
    own.numbers.renumber(before, after);
}

void truncate(sqlite3_pcache* cache, unsigned limit) {
    Cache& own = cache_of(cache);
    if (!own.numbers.reach(limit)) return;
    base().xTruncate(own.below, limit);
    own.numbers.drop_from(limit);
}

sqlite3_pcache_methods2 make_layer() {
    sqlite3_pcache_methods2 out{};
    out.iVersion = 1;
    out.xInit = init;
    out.xShutdown = shut_down;
    out.xCreate = create;
    out.xCachesize = set_size;
    out.xPagecount = page_count;
    out.xFetch = fetch;
    out.xUnpin = unpin;
    out.xRekey = rekey;
    out.xTruncate = truncate;
    out.xDestroy = destroy;
    out.xShrink = shrink;
    return out;
}

}  // namespace

void install_page_cache() {
    static const bool done = [] {
        // Refused when SQLite already runs: it then keeps the cache that it has.
        if (sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &base()) != SQLITE_OK) return false;
        const sqlite3_pcache_methods2 layer = make_layer();
        return sqlite3_config(SQLITE_CONFIG_PCACHE2, &layer) == SQLITE_OK;
    }();
    static_cast<void>(done);
}

}  // namespace adyton::storage::sqlite
