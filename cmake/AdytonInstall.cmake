# `cmake --install`: the program, and the client library as the CMake package AdytonClient.
# A project that uses it: tests/package/consumer.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(ADYTON_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/AdytonClient")
# The client and what it stands on; target adyton_api becomes Adyton::api.
foreach(module IN ITEMS base crypto http api)
    set_target_properties(adyton_${module} PROPERTIES EXPORT_NAME ${module})
    install(
        TARGETS adyton_${module}
        EXPORT AdytonClientTargets
        COMPONENT client
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}/adyton"
        FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/adyton")
endforeach()
install(
    EXPORT AdytonClientTargets
    NAMESPACE Adyton::
    DESTINATION "${ADYTON_PACKAGE_DIR}"
    COMPONENT client)
configure_package_config_file(
    "${CMAKE_SOURCE_DIR}/cmake/AdytonClientConfig.cmake.in"
    "${CMAKE_BINARY_DIR}/AdytonClientConfig.cmake"
    INSTALL_DESTINATION "${ADYTON_PACKAGE_DIR}")
write_basic_package_version_file(
    "${CMAKE_BINARY_DIR}/AdytonClientConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
    FILES "${CMAKE_BINARY_DIR}/AdytonClientConfig.cmake"
          "${CMAKE_BINARY_DIR}/AdytonClientConfigVersion.cmake"
    DESTINATION "${ADYTON_PACKAGE_DIR}"
    COMPONENT client)

install(TARGETS adyton COMPONENT program RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
install(FILES "${CMAKE_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT program)
