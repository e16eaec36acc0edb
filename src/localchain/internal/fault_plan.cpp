#include "localchain/internal/fault_plan.h"

namespace adyton::localchain::internal {

http::Response cut_connection() {
    http::Response response;
    response.headers.add("Content-Type", "application/json");
    response.stream = [](http::BodyWriter&) -> Task<Result<void>> {
        co_return Error::unavailable("the connection is cut on purpose");
    };
    return response;
}

http::Response garbage() {
    return http::Response::json(http::Status::Ok, "<html>bad gateway</html>");
}

http::Response trouble_page(int status) {
    return http::Response::text(
        static_cast<http::Status>(status), "upstream trouble, ordered by a test\n");
}

}  // namespace adyton::localchain::internal
