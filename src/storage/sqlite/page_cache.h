#pragma once

#include <algorithm>

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

// A bound for the numbers of the pages in one cache.
class PageNumbers {
public:
    void create(unsigned number) { highest_ = std::max(highest_, number); }
    void renumber(unsigned before, unsigned after) {
        if (before == lent_) lent_ = 0;
        if (after <= highest_) return;
        (lent_ == 0 ? lent_ : highest_) = after;
    }
    // Whether a page may have this number or a higher one.
    bool reach(unsigned number) const {
        return highest_ >= number || (lent_ != 0 && lent_ >= number);
    }
    // None has that one or a higher one any more. `number` is at least 1.
    void drop_from(unsigned number) {
        highest_ = std::min(highest_, number - 1);
        if (lent_ >= number) lent_ = 0;
    }

private:
    // No page has a higher number, but for one that may have `lent_` (0: none).
    unsigned highest_ = 0;
    unsigned lent_ = 0;
};

}  // namespace adyton::storage::sqlite
