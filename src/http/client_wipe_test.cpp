#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "http/http_test_support.h"

namespace adyton::http {
namespace {

// A secret that stands nowhere in this process but where the test put it: kept with its bits
// turned over, and made for a moment.
class Marker {
public:
    Marker() {
        for (std::size_t i = 0; i < kSize; ++i) {
            turned_[i] = static_cast<char>(~static_cast<unsigned char>('A' + (i * 7 + 3) % 26));
        }
    }
    void append_to(std::string& text) const {
        for (const char c : turned_) text.push_back(static_cast<char>(~c));
    }
    // How many times it stands in the writable memory of this process.
    std::size_t count() const {
        std::size_t found = 0;
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);) {
            unsigned long from = 0;
            unsigned long to = 0;
            char rights[5] = {};
            if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) != 3) continue;
            if (std::strncmp(rights, "rw", 2) != 0 || line.find("[v") != line.npos) continue;
            found += count_in(reinterpret_cast<const char*>(from), to - from);
        }
        return found;
    }

private:
    static constexpr std::size_t kSize = 48;
    std::size_t count_in(const char* text, std::size_t size) const {
        std::size_t found = 0;
        for (std::size_t at = 0; at + kSize <= size; ++at) {
            std::size_t same = 0;
            while (same < kSize && text[at + same] == static_cast<char>(~turned_[same])) ++same;
            found += same == kSize ? 1U : 0U;
        }
        return found;
    }
    char turned_[kSize] = {};
};

// Reads a request into memory that it wipes, and answers.
void answer_and_forget(int fd) {
    static char buffer[64 * 1024];
    std::size_t filled = 0;
    while (filled < sizeof(buffer)) {
        const ssize_t got = ::recv(fd, buffer + filled, sizeof(buffer) - filled, 0);
        if (got <= 0) break;
        filled += static_cast<std::size_t>(got);
        if (std::string_view(buffer, filled).find("THE END") != std::string_view::npos) break;
    }
    ::explicit_bzero(buffer, sizeof(buffer));
    testing::ScriptedServer::send_text(
        fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
}

ClientRequest request_with(const Marker& marker, const std::string& url) {
    ClientRequest request;
    request.method = "POST";
    request.url = url;
    std::string value;
    value.reserve(256);
    marker.append_to(value);
    // As whoever sends secrets does: room first, so that no header moves.
    request.headers.add("", std::string(512, ' '));
    request.headers.clear();
    request.headers.add("Authorization", value);
    request.headers.add("X-Other", std::string(100, 'x'));
    request.body.reserve(256);
    marker.append_to(request.body);
    request.body += "THE END";
    ::explicit_bzero(value.data(), value.size());
    return request;
}

TEST(ClientWipeTest, NothingOfARequestStaysInMemoryAfterItsAnswer) {
#if defined(ADYTON_SANITIZED)
    GTEST_SKIP() << "the memory of a sanitized process is too large to search";
#endif
    const Marker marker;
    testing::ScriptedServer server(&answer_and_forget);
    testing::TestClient client;
    ASSERT_EQ(marker.count(), 0u);
    {
        ClientRequest request = request_with(marker, server.url("/"));
        ASSERT_EQ(marker.count(), 2u);  // the search finds what is there
        const auto answer = client.send(std::move(request));
        ASSERT_TRUE(answer) << answer.error().message();
        EXPECT_EQ(answer->body, "ok");
    }
    EXPECT_EQ(marker.count(), 0u);
    // Nor of one that could not be sent.
    EXPECT_FALSE(client.send(request_with(marker, "http://127.0.0.1:1/")));
    EXPECT_EQ(marker.count(), 0u);
}

}  // namespace
}  // namespace adyton::http
