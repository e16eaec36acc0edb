#pragma once

struct sqlite3_pcache_methods2;

// SQLite tells its page cache after each commit to drop the pages behind the end of the file. There
// hardly ever are any, and its cache knows so by the highest number it has seen. But a b-tree that
// puts split pages in order lends one of them a number far behind the end for a moment, and from
// then on the cache looks at every page it holds: with tens of thousands of pages that is a tenth
// of a millisecond or more for each commit. This layer over the cache that SQLite brings follows
// the lent number and passes on only what may find something.
namespace adyton::storage::sqlite {

// Puts the layer under all connections of this process. Only the first call does something, and
// only before SQLite does: call it before anything else of SQLite. Thread safe.
void install_page_cache();

// The layer's methods over those of `base`, which is copied. For install_page_cache() and tests:
// there is one base in a process at a time, and changing it is not thread safe.
sqlite3_pcache_methods2 page_cache_over(const sqlite3_pcache_methods2& base);

}  // namespace adyton::storage::sqlite
