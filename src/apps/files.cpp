#include "apps/files.h"

#include <fstream>
#include <vector>

namespace adyton::apps {

Result<std::string> read_file(const std::string& path, std::size_t bytes_max) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return Error::not_found("cannot read " + path);
    std::string out;
    std::vector<char> piece(64UL * 1024);
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0) {
        out.append(piece.data(), static_cast<std::size_t>(in.gcount()));
        if (out.size() > bytes_max) {
            return Error::too_large(
                path + " is larger than " + std::to_string(bytes_max / 1024) + " KiB");
        }
    }
    if (in.bad()) return Error::not_found("cannot read " + path);
    return out;
}

}  // namespace adyton::apps
